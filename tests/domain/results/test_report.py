"""What a report says: counts, costs, and which answers are not to be relied on."""

import attrs
import pytest

from adapters import InMemoryGensStore
from adapters.language_model.scripted import ScriptedLanguageModel
from builders import (
    SOURCES,
    generate,
    make_catalog,
    plan_copy,
    plan_draft,
    plan_essay,
    plan_evaluation,
)
from daydreaming_dagster.domain.catalog import ModelEntry
from daydreaming_dagster.domain.cohort.index import CohortIndex
from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.generation.runner import GenerationRunner
from daydreaming_dagster.domain.results.evaluations import GenerationOutcome, read_outcome
from daydreaming_dagster.domain.results.report import (
    CellMean,
    FiveNumbers,
    JudgeScores,
    ModelTotals,
    ReportConcept,
    StageTotals,
    gather_report,
)
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.ports.errors import MissingArtifactError
from daydreaming_dagster.ports.language_model import Completion
from daydreaming_dagster.types import STAGES

CATALOG = make_catalog(
    ModelEntry("big", "big-1", "acme", prompt_price=2.0, completion_price=10.0),
    ModelEntry("small", "small-1", "acme"),
)
MEMBERS = {
    "draft": ["d1"],
    "essay": ["e1", "e2"],
    "evaluation": ["e1-big", "e1-small", "e2-big", "e2-small"],
}


@pytest.fixture
def store():
    """A draft, an essay by a model and a copy, each with two judges; nothing is answered."""
    store = InMemoryGensStore(templates=dict(SOURCES))
    plan_draft(store, "d1", "ab")
    plan_essay(store, "e1", "d1", llm_model_id="small", combo_id="a+b@sentence")
    plan_copy(store, "e2", "d1", combo_id="a+b@sentence")
    for gen_id in MEMBERS["evaluation"]:
        essay, model = gen_id.split("-")
        plan_evaluation(store, gen_id, essay, llm_model_id=model)
    return store


def answers(request):
    text = "SCORE: 6" if request.prompt.startswith("Judge") else f"Re: {request.prompt}"
    score = "SCORE: 3" if request.model == "small-1" and text == "SCORE: 6" else text
    return Completion(score, "stop", request.model, 2.0, prompt_tokens=1000, completion_tokens=100)


def run(store, script=answers, catalog=CATALOG):
    generate(GenerationRunner(store, ScriptedLanguageModel(script), catalog), MEMBERS)


def gather(store, catalog=CATALOG):
    return gather_report(store, catalog, "c1", MEMBERS, CohortIndex())


def items(report):
    return {item.member.gen_id: item for stage in STAGES for item in report.generations[stage]}


def test_a_cohort_that_was_only_planned_is_missing_and_costs_nothing(store):
    report = gather(store)

    assert report.stage_totals() == [
        StageTotals("draft", planned=1, done=0, failed=0, missing=1, stale=0),
        StageTotals("essay", planned=2, done=0, failed=0, missing=2, stale=0),
        StageTotals("evaluation", planned=4, done=0, failed=0, missing=4, stale=0),
    ]
    assert report.model_totals() == []
    assert report.cost is None
    assert report.ancestor_means() == {}
    assert report.judge_scores()[0] == JudgeScores("judge", "big", (), unscored=2)


def test_all_stages_are_counted_and_cost_what_their_models_cost(store):
    run(store)

    report = gather(store)

    assert [(totals.done, totals.cost) for totals in report.stage_totals()] == [
        (1, 0.003),
        (2, None),
        (4, 0.006),
    ]
    two_seconds = FiveNumbers(2.0, 2.0, 2.0, 2.0, 2.0)
    assert report.model_totals() == [
        ModelTotals("draft", "big", 1, 1000, 100, 0.003, 0, two_seconds),
        ModelTotals("essay", "small", 1, 1000, 100, None, 1, two_seconds),
        ModelTotals("evaluation", "big", 2, 2000, 200, 0.006, 0, two_seconds),
        ModelTotals("evaluation", "small", 2, 2000, 200, None, 2, two_seconds),
    ]
    assert report.cost == pytest.approx(0.009)


def test_means_go_back_to_templates_models_and_drafts(store):
    run(store)

    report = gather(store)

    assert [attrs.evolve(cell, mean=round(cell.mean or 0, 3)) for cell in report.cell_means()] == [
        CellMean("draft", "links", "big", 0.5, 4),
        CellMean("essay", "copied", "", 0.5, 2),
        CellMean("essay", "story", "small", 0.5, 2),
        CellMean("evaluation", "judge", "big", 0.667, 2),
        CellMean("evaluation", "judge", "small", 0.333, 2),
    ]
    assert report.ancestor_means()["draft", "d1"] == pytest.approx(0.5)
    assert [judge.shares for judge in report.judge_scores()] == [
        pytest.approx((2 / 3, 2 / 3)),
        pytest.approx((1 / 3, 1 / 3)),
    ]


def test_an_evaluation_is_of_its_drafts_combination_and_a_draft_of_its_concepts(store):
    report = gather(store)

    assert {item.combo for item in items(report).values()} == {"a+b@sentence"}
    assert items(report)["d1"].concept_ids == ("a", "b")
    assert report.concepts["sentence", "b"] == ReportConcept("b", "B", "b.")


def test_a_concept_that_the_catalog_lacks_is_named_all_the_same(store):
    without = attrs.evolve(CATALOG, concepts={"a": CATALOG.concepts["a"]})

    assert gather(store, without).concepts["sentence", "b"] == ReportConcept("b", "b", "")


def test_answers_that_cannot_be_used_have_failed(store):
    def script(request):
        if request.prompt.startswith("Judge") and request.model == "big-1":
            return "I like it."
        if request.prompt.startswith("Tell"):
            return Completion("Once", "length", request.model, 1.0)
        return answers(request)

    run(store, script)
    found = items(gather(store))

    states = {gen_id: item.outcome.state for gen_id, item in found.items()}
    assert states == {
        "d1": "done",
        "e1": "cut off",
        "e2": "done",
        "e1-big": "not answered",
        "e1-small": "not answered",
        "e2-big": "not parsed",
        "e2-small": "scored",
    }
    assert {gen_id for gen_id, item in found.items() if item.failed} == {"e1", "e2-big"}
    assert {gen_id for gen_id, item in found.items() if item.missing} == {"e1-big", "e1-small"}


def test_an_edited_template_makes_its_generations_and_their_descendants_stale(store):
    run(store)
    assert not any(item.stale for item in items(gather(store)).values())
    store.templates["essay", "story"] = "Sing: {{ draft_block }}"

    report = gather(store)

    assert {gen_id: item.stale for gen_id, item in items(report).items() if item.stale} == {
        "e1": "essay template 'story' was edited",
        "e1-big": "its essay e1 is stale",
        "e1-small": "its essay e1 is stale",
    }
    assert [totals.stale for totals in report.stage_totals()] == [0, 1, 2]


# Outcomes of drafts and essays


def test_texts_that_came_without_metadata_count_as_what_they_are(store):
    assert read_outcome(store, SHIPPED["draft"], "d1") == GenerationOutcome("not answered")
    store.write_raw("draft", "d1", "x")
    assert read_outcome(store, SHIPPED["draft"], "d1") == GenerationOutcome("not parsed")
    store.write_parsed("draft", "d1", "x")
    assert read_outcome(store, SHIPPED["draft"], "d1") == GenerationOutcome("done")


def test_a_text_that_was_read_in_an_earlier_answer_is_not_that_of_the_present_one(store):
    run(store)
    store.write_raw_metadata("draft", "d1", {"raw_sha256": sha256("another")})
    assert read_outcome(store, SHIPPED["draft"], "d1").state == "not answered"

    store.write_raw("draft", "d1", "another")
    assert read_outcome(store, SHIPPED["draft"], "d1").state == "not parsed"


def test_a_member_that_was_not_planned_is_named(store):
    with pytest.raises(MissingArtifactError, match="draft/d9 has no main_metadata"):
        gather_report(store, CATALOG, "c1", {**MEMBERS, "draft": ["d9"]}, CohortIndex())


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], None),
        ([3.0], FiveNumbers(3, 3, 3, 3, 3)),
        ([5.0, 1.0, 4.0, 2.0, 3.0], FiveNumbers(1, 2, 3, 4, 5)),
    ],
)
def test_five_numbers_are_the_ends_and_the_quartiles(values, expected):
    assert FiveNumbers.of(values) == expected
