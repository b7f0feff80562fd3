"""What comes back from people, and every way in which it may be wrong."""

import json

import pytest

from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.people.ratings import (
    CHANGED,
    COLUMNS,
    GONE,
    read_ratings,
    verdicts_of,
)
from daydreaming_dagster.domain.people.sheet import make_sheet
from daydreaming_dagster.domain.stages import GenerationRef

A, B = GenerationRef("essay", "a"), GenerationRef("essay", "b")
TEXTS = {A: "An essay.", B: "Another one."}
SHEET = make_sheet(TEXTS, 3, seed=1)
TOKEN = {text.ref: text.token for text in SHEET.texts}
KEY = {f"{SHEET.sheet}.key.json": json.dumps(SHEET.as_document()).encode()}
HEADER = ",".join(COLUMNS)


def row(**cells):
    given = {"sheet": SHEET.sheet, "rater": "Ann", "first": TOKEN[A], **cells}
    return ",".join(str(given.get(column, "")) for column in COLUMNS)


def export(*rows):
    return "\n".join([HEADER, *rows, ""]).encode()


def read(*rows, texts=None, **files):
    exports = {"ann.csv": export(*rows)} if rows else {}
    exports |= {name.replace("_", "."): data for name, data in files.items()}
    return read_ratings({**KEY, **exports}, TEXTS if texts is None else texts, "ratings")


def test_scores_pairs_and_decisions_are_read():
    score, pair, decision = read(
        row(score=3),
        row(first=TOKEN[B], second=TOKEN[A], preferred="tie"),
        row(first=TOKEN[B], decision="accept", reason='"new,\u2028and true"'),
    )

    assert (score.first, score.score.normalised, score.second) == (A, 0.25, None)
    assert (pair.first, pair.second, pair.preferred) == (B, A, "tie")
    assert (decision.first, decision.decision, decision.reason) == (
        B,
        "accept",
        "new,\u2028and true",
    )
    assert decision.where == "ann.csv, line 4"


def test_line_ends_a_byte_order_mark_and_other_columns_do_no_harm():
    text = "\ufeff" + f"{HEADER},note\r\n{row(score=9)},x\r\n\r\n"

    assert [rating.score.value for rating in read(ann_csv=text.encode())] == [9]


def test_a_text_that_changed_makes_its_ratings_stale_and_one_that_left_the_cohort_too():
    rows = row(score=3), row(first=TOKEN[A], second=TOKEN[B], preferred="first")

    changed = read(*rows, texts={**TEXTS, B: "New."})
    missing = read(*rows, texts={**TEXTS, B: None})
    gone = read(*rows, texts={A: TEXTS[A]})
    assert [rating.stale for rating in changed] == ["", CHANGED]
    assert [rating.stale for rating in missing] == ["", CHANGED]
    assert [rating.stale for rating in gone] == ["", GONE]


def test_a_part_and_then_the_whole_count_once():
    part, whole = export(row(score=3)), export(row(score=3), row(first=TOKEN[B], score=4))

    assert [rating.score.value for rating in read(a_csv=part, b_csv=whole)] == [3, 4]


def test_two_people_count_twice():
    assert len(read(row(score=3), row(score=4, rater="Bob"))) == 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (row(score="10"), "score is '10', not a whole number from 1 to 9"),
        (row(score="0"), "score is '0'"),
        (row(score="7.5"), "score is '7.5'"),
        (row(preferred="left"), "preferred is 'left', not one of first, second, tie"),
        (row(decision="keep"), "decision is 'keep', not one of accept, defer, reject"),
        (row(), "one text is rated"),
        (row(score=3, preferred="tie"), "one text is rated"),
        (row(second=TOKEN[B]), "two texts are compared"),
        (row(second=TOKEN[B], preferred="tie", score=3), "two texts are compared"),
        (row(first="t0", score=3), f"the sheet {SHEET.sheet} has no text 't0'"),
        (row(first="", second=TOKEN[B], preferred="tie"), "first must name a text"),
        (row(second=TOKEN[A], preferred="tie"), "second none or another one"),
        (row(score=3, rater=""), "the rater is empty"),
        ("too,few", "expected 8 cells, as in the header"),
    ],
)
def test_a_wrong_line_is_named_with_its_file(wrong, said):
    with pytest.raises(CatalogError) as error:
        read(row(first=TOKEN[B], score=3), wrong)
    (problem,) = error.value.problems
    assert problem.startswith("ann.csv, line 3: ")
    assert said in problem


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a_csv": b"\xff"}, "a.csv is not UTF-8 (byte 0 is 0xff); save it as UTF-8"),
        ({"a_csv": b"sheet;rater\n"}, "separate cells by commas"),
        ({"a_csv": b""}, "a.csv, line 1: no column sheet"),
        ({"a_csv": export('"x')}, "a.csv, line 3: a quotation mark is not closed"),
        (
            {"a_csv": export(*[f"sheet-x,Ann,{TOKEN[A]},,{score},,," for score in (3, 4)])},
            "a.csv: the sheet 'sheet-x' of 2 rows has no key here; put sheet-x.key.json beside it",
        ),
        (
            {"a_xlsx": b"PK"},
            "a.xlsx is not CSV; save it as CSV, with commas, and move it elsewhere",
        ),
        ({"a_TSV": b"sheet"}, "a.TSV is not CSV"),
        ({"x_key_json": b"{"}, "x.key.json: not JSON"),
        ({"x_key_json": b'{"version": 2}'}, "x.key.json: version 2 is newer"),
        (
            {"a_csv": export(row(score=3)), "b_csv": export(row(score=4))},
            "b.csv, line 2: differs from a.csv, line 2; remove one of the two",
        ),
    ],
)
def test_a_wrong_file_is_named(files, said):
    with pytest.raises(CatalogError) as error:
        read(**files)
    (problem,) = error.value.problems
    assert said in problem


def test_those_who_disagree_defer_and_a_stale_decision_does_not_count():
    rows = (
        row(decision="accept"),
        row(decision="reject", rater="Bob"),
        row(first=TOKEN[B], decision="reject"),
        row(first=TOKEN[B], score=3, rater="Bob"),
    )

    assert verdicts_of(read(*rows)) == {A: "defer", B: "reject"}
    assert verdicts_of(read(*rows, texts={**TEXTS, B: "New."})) == {A: "defer"}
