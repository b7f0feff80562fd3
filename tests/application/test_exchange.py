"""Scores of other tools come in as evaluations of stored texts, and results go out to them."""

import json
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest

from adapters.exchange.score_files import read_score_file
from builders import plan_draft, plan_essay
from daydreaming_dagster.application.check_data_root import check_data_root
from daydreaming_dagster.application.cohort_results import tabulate_cohort
from daydreaming_dagster.application.export_texts import export_texts
from daydreaming_dagster.application.import_scores import import_scores
from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.domain.errors import CatalogError, CohortBusyError
from daydreaming_dagster.domain.exchange.inspect_log import read_inspect_log
from daydreaming_dagster.domain.exchange.promptfoo_results import read_promptfoo_results

FIXTURES = Path(__file__).parents[1] / "fixtures" / "exchange"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SCALES = {"depth": (0.0, 9.0)}
DEPTH = "e_one", "depth"
READERS = [
    ("inspect", lambda log: read_inspect_log(log, log["samples"])),
    ("promptfoo", read_promptfoo_results),
]
INSPECT, PROMPTFOO = FIXTURES / "essays.eval", FIXTURES / "essays.promptfoo.json"


@pytest.fixture
def with_texts(lab):
    """The texts that the fixtures judge: e_one and e_two, of one draft."""
    plan_draft(lab.store, "d_one", ["ant", "bee"])
    for gen_id, text in (("e_one", "About ants."), ("e_two", "About bees.")):
        plan_essay(lab.store, gen_id, "d_one")
        lab.store.write_prompt("essay", gen_id, "Write.")
        lab.store.write_parsed("essay", gen_id, text)
    return lab


def come_in(lab, file, cohort_id="theirs", scales=None):
    scales = SCALES if scales is None and file == INSPECT else scales or {}
    return import_scores(lab.store, lab.cohorts, cohort_id, read_score_file(file), scales)


def sent(lab, form, cohort_id="theirs"):
    (data,) = export_texts(lab.store, lab.cohorts, [cohort_id], form, NOW).values()
    return json.loads(data)


def test_scores_of_a_log_are_evaluations_and_are_ranked(with_texts):
    imported = come_in(with_texts, INSPECT)

    assert (imported.left, len(imported.texts), len(imported.evaluations)) == ([], 2, 8)
    rows = tabulate_cohort(with_texts.store, with_texts.cohorts, "theirs").tables.evaluations
    found = {
        (row["essay"], row["evaluation_template"]): (row["score"], row["score_maximum"])
        for row in rows.to_dicts()
    }
    assert found["e_one", "depth"] == (7, 9)
    assert (found["e_one", "letters"], found["e_two", "letters"]) == ((0, 1), (1, 1))
    assert (found["e_one", "several/style"], found["e_one", "several/rigor"]) == ((0.5, 1), (1, 1))
    assert set(rows["evaluation_llm"]) == {"inspect_ai"}
    assert with_texts.run("theirs").complete
    assert with_texts.asked == []
    kinds = {
        one.kind for one in check_data_root(with_texts.store, with_texts.cohorts, None).findings
    }
    assert "unknown template" not in kinds


def test_imported_cohorts_do_not_differ_in_having_no_specification(with_texts):
    come_in(with_texts, INSPECT)
    come_in(with_texts, PROMPTFOO, "others")

    notes = tabulate_cohort(with_texts.store, with_texts.cohorts, "theirs", "others").notes

    assert [note for note in notes if "specification" in note] == []


def test_scores_of_promptfoo_are_evaluations_with_their_reasons(with_texts):
    imported = come_in(with_texts, PROMPTFOO)

    assert (imported.left, len(imported.texts), len(imported.evaluations)) == ([], 2, 4)
    rows = tabulate_cohort(with_texts.store, with_texts.cohorts, "theirs").tables.evaluations
    found = {(row["essay"], row["evaluation_template"]): row["score"] for row in rows.to_dicts()}
    assert found == {
        ("e_one", "topic"): 1,
        ("e_two", "topic"): 0,
        ("e_one", "javascript"): 0.55,
        ("e_two", "javascript"): 0.55,
    }
    reasons = {with_texts.store.read_raw(*ref) for ref in imported.evaluations}
    assert reasons == {"Assertion passed", 'Expected output to contain "ants"'}


@pytest.mark.parametrize("file", [INSPECT, PROMPTFOO])
def test_importing_again_changes_nothing(with_texts, file):
    first = come_in(with_texts, file)
    members = with_texts.cohorts.read_membership("theirs")

    assert come_in(with_texts, file) == first
    assert with_texts.cohorts.read_membership("theirs") == members


def test_a_later_import_adds_to_the_cohort(with_texts):
    come_in(with_texts, INSPECT)
    come_in(with_texts, PROMPTFOO)

    members = with_texts.cohorts.read_membership("theirs")
    assert (len(members["essay"]), len(members["evaluation"])) == (2, 12)


def test_a_log_comes_out_with_all_that_is_said_of_texts_and_scores(with_texts):
    come_in(with_texts, INSPECT)
    given = {score.text_id: score.source["sample"] for score in read_score_file(INSPECT)}

    log = sent(with_texts, "inspect")

    assert {sample["id"] for sample in log["samples"]} == given.keys()
    for sample in log["samples"]:
        for key, value in given[sample["id"]].items():
            if isinstance(value, dict):
                assert sample[key].items() >= value.items(), key
            else:
                assert sample[key] == value, key
    again = list(read_inspect_log(log, log["samples"]))
    before = {(one.text_id, one.scorer): one for one in read_score_file(INSPECT)}
    assert len(again) == len(before)
    for one in again:
        other = before[one.text_id, one.scorer]
        assert (one.text, one.value, one.explanation) == (
            other.text,
            other.value,
            other.explanation,
        )
        assert one.source["score"] == other.source["score"]


def test_results_come_out_with_all_that_is_said_of_texts_and_scores(with_texts):
    come_in(with_texts, PROMPTFOO)
    given = json.loads(PROMPTFOO.read_text())["results"]["results"]

    results = {one["id"]: one for one in sent(with_texts, "promptfoo")["results"]["results"]}

    for before in given:
        after = results[before["id"]]
        before["response"].pop("raw")  # the same as its output
        for key, value in before.items():
            if key == "metadata":
                assert after[key].items() >= value.items()
            elif key == "gradingResult":
                by_name = lambda part: str(part["assertion"])  # noqa: E731
                assert sorted(after[key].pop("componentResults"), key=by_name) == sorted(
                    value.pop("componentResults"), key=by_name
                )
                assert after[key] == value
            else:
                assert after[key] == value, key


def test_our_own_results_go_out_and_come_back_with_their_scores(lab):
    plan_cohort(lab.store, lab.cohorts, "c1")
    lab.run()

    log, results = sent(lab, "inspect", "c1"), sent(lab, "promptfoo", "c1")
    from_inspect = list(read_inspect_log(log, log["samples"]))
    from_promptfoo = list(read_promptfoo_results(results))

    essays = set(lab.cohorts.read_membership("c1")["essay"])
    assert len(from_inspect) == len(from_promptfoo) == 12
    assert (
        {one.text_id for one in from_inspect} == {one.text_id for one in from_promptfoo} == essays
    )
    assert {one.value for one in from_inspect} == {6.0}
    assert {one.value for one in from_promptfoo} == {6 / 9}
    assert {one.explanation for one in from_inspect} == {"Fair.\nSCORE: 6"}
    assert {one.scorer for one in from_inspect} == {"judge/big", "judge/big #2"}


@pytest.mark.parametrize(("form", "read"), READERS)
def test_our_own_scores_come_back_as_the_evaluations_that_they_were(lab, form, read):
    plan_cohort(lab.store, lab.cohorts, "c1")
    lab.run()
    stored = lab.store.list_generations("evaluation")

    back = import_scores(lab.store, lab.cohorts, "back", read(sent(lab, form, "c1")), {})

    assert (back.left, len(back.texts)) == ([], 6)
    assert sorted(ref.gen_id for ref in back.evaluations) == sorted(stored)
    assert lab.store.list_generations("evaluation") == stored
    both = tabulate_cohort(lab.store, lab.cohorts, "c1", "back")
    assert len(both.tables.evaluations) == len(stored)


@pytest.mark.parametrize(("form", "read"), READERS)
@pytest.mark.parametrize("file", [INSPECT, PROMPTFOO])
def test_scores_of_others_that_went_out_again_come_back_as_they_were(with_texts, file, form, read):
    first = come_in(with_texts, file)

    back = list(read(sent(with_texts, form)))
    scales = SCALES if "depth" in {one.scorer for one in back} else {}
    again = import_scores(with_texts.store, with_texts.cohorts, "back", back, scales)

    assert again.left == []
    assert set(again.evaluations) == set(first.evaluations)


@pytest.mark.parametrize(("form", "read"), READERS)
def test_our_own_scores_are_new_in_another_data_root(lab, form, read):
    plan_cohort(lab.store, lab.cohorts, "c1")
    lab.run()
    given = list(read(sent(lab, form, "c1")))
    stored = lab.store.list_generations("evaluation")
    for gen_id in stored:
        lab.store.delete_generation("evaluation", gen_id)

    back = import_scores(lab.store, lab.cohorts, "back", given, {})

    assert (back.left, len(back.evaluations)) == ([], 12)
    assert not {ref.gen_id for ref in back.evaluations} & set(stored)
    if form == "inspect":  # promptfoo knows shares of the scale alone
        documents = [lab.store.read_parsed_metadata(*ref) for ref in back.evaluations]
        assert {document["score_maximum"] for document in documents} == {9}


def test_an_exported_score_that_is_another_one_now_is_listed(lab):
    plan_cohort(lab.store, lab.cohorts, "c1")
    lab.run()
    changed, *others = read_inspect_log((log := sent(lab, "inspect", "c1")), log["samples"])
    given = [attrs.evolve(changed, value=2.0), *others]

    back = import_scores(lab.store, lab.cohorts, "back", given, {})

    (problem,) = back.left
    assert f"evaluation/{changed.evaluation_id}" in problem
    assert "has the score 6 now" in problem
    assert len(back.evaluations) == 11


def test_a_second_judgment_by_the_same_scorer_goes_out_too(with_texts):
    once = [one for one in read_score_file(INSPECT) if one.scorer == "depth"]
    twice = [
        attrs.evolve(one, replicate=2, source={**one.source, "score": {"value": 3}}) for one in once
    ]
    import_scores(with_texts.store, with_texts.cohorts, "theirs", [*once, *twice], SCALES)

    log = sent(with_texts, "inspect")

    values = {(one.text_id, one.scorer): one.value for one in read_inspect_log(log, log["samples"])}
    assert len(values) == 4
    assert (values["e_one", "depth"], values["e_one", "depth #2"]) == (7, 3)


def test_a_cohort_that_another_process_holds_gets_no_scores(with_texts):
    with with_texts.cohorts.hold("theirs"), pytest.raises(CohortBusyError):
        come_in(with_texts, INSPECT)

    assert with_texts.store.list_generations("evaluation") == []


def test_a_text_is_found_by_its_words(with_texts):
    log = json.loads(
        json.dumps(
            {
                "eval": {},
                "samples": [
                    {
                        "id": 7,
                        "output": {"completion": "About ants.\n"},
                        "scores": {"fair": {"value": True}},
                    }
                ],
            }
        )
    )

    imported = import_scores(
        with_texts.store, with_texts.cohorts, "theirs", read_inspect_log(log, log["samples"]), {}
    )

    assert imported.texts == [("essay", "e_one")]


@pytest.mark.parametrize(
    ("text_id", "text", "value", "why"),
    [
        ("e_one", "About bees.", 1, "it judged another text than essay/e_one"),
        ("e_none", "About cod.", 1, "no stored text has these words"),
        ("e_none", "", 1, "no stored text has these words"),
        ("e_one", "About ants.", 7, "its score 7 is outside the scale 0 to 1"),
        ("e_one", "About ants.", "good", "its score is not a number"),
        ("e_one", "About ants.", float("nan"), "its score is not a number"),
        ("e_one", "About ants.", [1], "its score is not a number"),
        ("e_one", "About ants.", 10**400, "its score is not a number"),
        ("e_one", "About \ud800.", 1, "it has half of a surrogate pair"),
    ],
)
def test_what_is_not_a_score_of_a_stored_text_is_listed(with_texts, text_id, text, value, why):
    sample = {
        "id": text_id,
        "output": {"completion": text},
        "scores": {"fair": {"value": value}},
    }

    imported = import_scores(
        with_texts.store, with_texts.cohorts, "theirs", read_inspect_log({"eval": {}}, [sample]), {}
    )

    assert imported.evaluations == []
    assert why in imported.left[0]
    assert with_texts.cohorts.list_planned_cohorts() == []


def test_a_score_that_fits_several_texts_by_its_words_is_listed(with_texts):
    with_texts.store.write_parsed("essay", "e_two", "About ants.")
    sample = {"id": 1, "output": {"completion": "About ants."}, "scores": {"fair": {"value": 1}}}
    named = {**sample, "metadata": {"gen_id": "e_two"}}

    imported = import_scores(
        with_texts.store,
        with_texts.cohorts,
        "theirs",
        read_inspect_log({"eval": {}}, [sample, named]),
        {},
    )

    assert imported.texts == [("essay", "e_two")]
    assert [line.partition(": ")[2] for line in imported.left] == [
        "essay/e_one and essay/e_two have these words; name one by its gen_id"
    ]


@pytest.mark.parametrize(
    "grading", [{}, {"score": None}, {"score": "high"}, {"score": 10**400}, {"reason": 5}]
)
def test_a_result_without_a_score_is_listed_and_the_others_come_in(with_texts, grading):
    rest = {"vars": {"gen_id": "e_one"}, "response": {"output": "About ants."}}
    results = [{**rest, "gradingResult": one} for one in (grading, {"score": 1, "reason": 5})]

    imported = import_scores(
        with_texts.store,
        with_texts.cohorts,
        "theirs",
        read_promptfoo_results({"results": {"results": results}}),
        {},
    )

    assert imported.left == ["result 0, score: its score is not a number"]
    assert [with_texts.store.read_raw(*ref) for ref in imported.evaluations] == [""]


def test_what_cannot_be_stored_of_a_score_is_listed_with_the_reason(with_texts):
    result = {"vars": {"gen_id": "e_one"}, "response": {"output": "About ants."}, "score": 1}
    document = {"results": {"results": [{**result, "latencyMs": float("nan")}]}}

    imported = import_scores(
        with_texts.store, with_texts.cohorts, "theirs", read_promptfoo_results(document), {}
    )

    assert "nan" in imported.left[0].lower()


def test_a_cohort_with_a_specification_is_not_mixed_with_imported_scores(with_texts):
    with pytest.raises(CatalogError, match="has a specification"):
        come_in(with_texts, INSPECT, "c1")


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[1]", b'{"evalId": 1}', b"PK\x03\x04", b'{"samples": [1], "eval": {}}']
)
def test_another_file_is_refused(tmp_path, data):
    file = tmp_path / "log.json"
    file.write_bytes(data)

    with pytest.raises(CatalogError, match="neither a log of inspect_ai nor"):
        read_score_file(file)


def test_a_log_whose_bytes_changed_is_refused(tmp_path):
    data, file = bytearray(INSPECT.read_bytes()), tmp_path / "log.eval"
    for position in range(60, len(data) // 2, 97):
        data[position] ^= 0xFF
    file.write_bytes(data)

    with pytest.raises(CatalogError, match="neither a log of inspect_ai nor"):
        read_score_file(file)
