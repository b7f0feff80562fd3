"""Which questions a sheet has."""

import pytest

from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.people.sheet import RatingSheet, make_sheet
from daydreaming_dagster.domain.stages import GenerationRef


def texts(count):
    return {GenerationRef("essay", f"e{number:02}"): f"Text {number}." for number in range(count)}


def test_two_thirds_of_the_questions_score_a_text_and_a_third_compares_two_of_them():
    sheet = make_sheet(texts(100), ratings=30, seed=1)
    singles, pairs = sheet.questions[:20], sheet.questions[20:]

    assert all(len(tokens) == 1 for tokens in singles)
    assert all(len(tokens) == 2 for tokens in pairs)
    assert len({frozenset(tokens) for tokens in pairs}) == 10
    assert {token for tokens in pairs for token in tokens} <= {token for (token,) in singles}
    assert len({text.ref for text in sheet.texts}) == 20


def test_the_same_seed_gives_the_same_sheet_and_another_one_another():
    assert make_sheet(texts(9), 30, seed=5) == make_sheet(texts(9), 30, seed=5)
    other = make_sheet(texts(9), 30, seed=6)
    assert other.sheet != make_sheet(texts(9), 30, seed=5).sheet
    assert [text.gen_id for text in other.texts] != sorted(text.gen_id for text in other.texts)


def test_a_text_that_changes_gives_another_sheet_so_that_no_key_is_replaced():
    before = make_sheet(texts(3), 6, seed=1)
    after = make_sheet({**texts(3), GenerationRef("essay", "e00"): "New."}, 6, seed=1)

    assert before.sheet != after.sheet
    assert before.questions == after.questions


def test_texts_that_are_the_same_are_not_compared():
    same = dict.fromkeys(texts(2), "The same.")

    assert [len(tokens) for tokens in make_sheet(same, 30, seed=1).questions] == [1, 1]


def test_every_place_and_side_is_as_probable():
    first = [make_sheet(texts(2), 3, seed).questions for seed in range(400)]
    order = dict.fromkeys(texts(2), 0)
    shown_first = 0
    for seed, questions in enumerate(first):
        ref_of = {text.token: text.ref for text in make_sheet(texts(2), 3, seed).texts}
        order[ref_of[questions[0][0]]] += 1
        shown_first += ref_of[questions[2][0]].gen_id == "e00"

    assert all(150 < count < 250 for count in order.values())
    assert 150 < shown_first < 250


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "expected a mapping"),
        ({"version": 2}, "version 2 is newer than 1; update this package"),
        ({"texts": [{"tokn": "t"}]}, "texts[0].tokn"),
    ],
)
def test_a_document_that_is_not_a_key_is_refused(document, said):
    with pytest.raises(CatalogError) as error:
        RatingSheet.from_document(document, "x.key.json")
    assert said in str(error.value)
