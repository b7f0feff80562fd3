"""A whole experiment on the in-memory adapters alone: plan, run, status, results, report, check."""

import io
from datetime import UTC, datetime

import attrs
import polars as pl
import pytest

from builders import judge_or_echo
from daydreaming_dagster.application.check_data_root import check_data_root
from daydreaming_dagster.application.cohort_report import draw_report, write_report
from daydreaming_dagster.application.cohort_results import gather_results, tabulate_cohort
from daydreaming_dagster.application.cohort_status import look
from daydreaming_dagster.application.plan_cohort import estimate_cohort, plan_cohort
from daydreaming_dagster.application.rename_concept import rename_concept
from daydreaming_dagster.application.run_listener import NullRunListener
from daydreaming_dagster.domain.cohort.spending import spent_before
from daydreaming_dagster.domain.errors import (
    CatalogError,
    CohortBusyError,
    CohortNotPlannedError,
    PlanConflictError,
)
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.domain.generation.metadata import ancestry
from daydreaming_dagster.domain.generation.stored import read_stored_generation
from daydreaming_dagster.domain.results.factors import compare_factors
from daydreaming_dagster.formatting import money
from daydreaming_dagster.ports.ids import check_stage
from daydreaming_dagster.ports.language_model import Completion, LanguageModelError
from daydreaming_dagster.types import STAGES

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def planned(lab):
    plan_cohort(lab.store, lab.cohorts, "c1")
    return lab


def done(lab):
    stages = look(lab.store, lab.cohorts, "c1", lab.cohorts.catalog).stages
    return {stage: state.done for stage, state in stages.items()}


def edit(lab, stage, template_id, source):
    lab.store.templates[stage, template_id] = source


def test_a_whole_experiment_needs_no_files(planned):
    run = planned.run()

    assert run.complete
    assert (run.outcome.made, len(planned.asked)) == (21, 18)
    assert done(planned) == {"draft": 3, "essay": 6, "evaluation": 12}
    tabulated = tabulate_cohort(planned.store, planned.cohorts, "c1")
    assert [rank.mean for rank in tabulated.ranks] == [pytest.approx(6 / 9)] * 6
    drawn, location = write_report(planned.store, planned.cohorts, "c1", NOW)
    assert planned.cohorts.reports[location.removeprefix("memory:")] == drawn.page.encode()
    checked = check_data_root(planned.store, planned.cohorts, None)
    assert (checked.generations, checked.findings) == (21, [])
    evaluation = planned.store.list_generations("evaluation")[0]
    lineage = [stage for stage, _ in ancestry(planned.store, "evaluation", evaluation)]
    assert lineage == [check_stage(stage) for stage in reversed(STAGES)]
    assert read_stored_generation(planned.store, "evaluation", evaluation).parsed == "6"


# Planning


def test_an_estimate_writes_nothing(lab):
    plan, estimate = estimate_cohort(lab.store, lab.cohorts, "c1")

    assert len(plan.generations) == 21
    assert sum(stage.calls for stage in estimate.stages.values()) == 18
    assert all(lab.store.list_generations(stage) == [] for stage in STAGES)
    with pytest.raises(CohortNotPlannedError):
        lab.cohorts.read_membership("c1")


def test_a_specification_that_is_wrong_leaves_nothing(lab):
    lab.cohorts.specs["c1"] = attrs.evolve(
        lab.cohorts.specs["c1"], axes=attrs.evolve(lab.cohorts.specs["c1"].axes, draft_llm=["bigg"])
    )

    with pytest.raises(CatalogError, match="did you mean 'big'"):
        plan_cohort(lab.store, lab.cohorts, "c1")
    assert lab.store.list_generations("draft") == []


def without_descriptions(lab, *names):
    concepts = {
        name: attrs.evolve(entry, descriptions={}) if name in names else entry
        for name, entry in lab.cohorts.catalog.concepts.items()
    }
    lab.cohorts.catalog = attrs.evolve(lab.cohorts.catalog, concepts=concepts)


@pytest.mark.parametrize(
    ("lacking", "expected"),
    [
        (
            lambda lab: without_descriptions(lab, "bee"),
            "concept 'bee' has no description at level 'paragraph'",
        ),
        (
            lambda lab: lab.cohorts.specs.update(
                c1=attrs.evolve(lab.cohorts.specs["c1"], description_level="paragraf")
            ),
            "no concept has a description at level 'paragraf'; did you mean 'paragraph'?",
        ),
        (
            lambda lab: edit(lab, "essay", "story", "Tell a story."),
            "essay template 'story' uses none of its variables (draft_block, links_block)",
        ),
    ],
    ids=["description", "level", "variable"],
)
def test_what_a_prompt_would_lack_is_a_mistake_unless_it_is_allowed(lab, lacking, expected):
    lacking(lab)

    with pytest.raises(CatalogError) as caught:
        plan_cohort(lab.store, lab.cohorts, "c1")
    assert expected in str(caught.value)
    assert "plan with --allow-missing" in str(caught.value)
    assert lab.store.list_generations("draft") == []

    allowed = plan_cohort(lab.store, lab.cohorts, "c1", allow_missing=True)
    assert any(expected in notice for notice in allowed.plan.notices)


def test_planning_again_after_an_edit_names_the_input_and_counts_what_status_counts(planned):
    edit(planned, "draft", "links", "Connect {{ concepts[0].name }}")

    before = plan_cohort(planned.store, planned.cohorts, "c1")
    assert before.changed == [("template", "draft/links")]
    assert sum(map(len, before.stale.values())) == 0  # no answer was given yet

    planned.run()
    edit(planned, "draft", "links", "Join {{ concepts[0].name }}")
    after = plan_cohort(planned.store, planned.cohorts, "c1")

    status = look(planned.store, planned.cohorts, "c1", planned.cohorts.catalog)
    assert {stage: len(stale) for stage, stale in after.stale.items()} == {
        "draft": 3,
        "essay": 6,
        "evaluation": 12,
    }
    assert after.stale == status.stale


def test_an_edit_that_changes_no_prompt_makes_nothing_stale(planned):
    planned.run()
    source = planned.store.templates["draft", "links"]
    edit(planned, "draft", "links", f"{{# a note #}}{source}")

    again = plan_cohort(planned.store, planned.cohorts, "c1")

    assert again.changed == [("template", "draft/links")]
    assert sum(map(len, again.stale.values())) == 0


def test_a_plan_that_contradicts_what_is_there_says_so(planned):
    (gen_id, *_) = planned.store.list_generations("draft")
    document = planned.store.read_main_metadata("draft", gen_id)
    planned.store.write_main_metadata("draft", gen_id, {**document, "template_id": "other"})

    with pytest.raises(PlanConflictError, match="template_id"):
        plan_cohort(planned.store, planned.cohorts, "c1")


# Runs


def test_a_second_run_asks_nothing(planned):
    planned.run()
    planned.asked.clear()

    run = planned.run()

    assert (run.outcome.made, planned.asked) == (0, [])


def test_a_budget_stops_the_run_and_the_next_one_goes_on(planned):
    run = planned.run(max_calls=5)

    assert len(planned.asked) == 5
    assert not run.complete
    assert run.stopped == "the limit of 5 model calls is reached"

    assert planned.run().complete
    assert len(planned.asked) == 18


def test_a_limit_of_cost_needs_prices(planned):
    models = {"big": attrs.evolve(planned.cohorts.catalog.models["big"], prompt_price=None)}
    planned.cohorts.catalog = attrs.evolve(planned.cohorts.catalog, models=models)

    with pytest.raises(CatalogError, match="a limit of cost needs a price for big"):
        planned.run(max_cost=1.0)
    assert planned.asked == []


def test_a_limit_of_cost_is_kept(planned):
    run = planned.run(max_cost=0.01)

    assert 0 < run.budget.cost <= 0.01
    assert "the limit of 0.01 USD is reached" in run.stopped


def test_all_runs_of_a_cohort_share_a_limit_of_its_total_cost(planned):
    planned.answer = lambda _request: Completion("SCORE: 5", "stop", "big-1", 0.1, 1, 800)
    first = planned.run(max_cost_total=0.01)
    asked = len(planned.asked)
    again = planned.run(max_cost_total=0.01)

    assert 0 < first.budget.cost <= 0.01
    assert (len(planned.asked), again.budget.cost) == (asked, 0)
    spent = f"{money(first.budget.cost)} spent in total, {money(first.budget.cost)} of it before"
    assert "the limit of 0.01 USD for all runs of the cohort is reached" in again.stopped
    assert spent in again.stopped
    assert planned.run(max_cost_total=1.0).complete


def test_replaced_and_refused_answers_count_in_the_total(planned):
    members = planned.cohorts.read_membership("c1")
    planned.answer = lambda _request: Completion("no score", "stop", "big-1", 0.1, 100, 200)
    once = planned.run().budget.cost
    planned.run(force=members["draft"])

    total = spent_before(planned.store, planned.cohorts.catalog, members)

    assert len(planned.asked) == 21
    assert total == pytest.approx(once * 21 / 18)


def test_a_limit_of_the_total_needs_to_know_what_every_answer_cost(planned):
    planned.answer = lambda _request: Completion("SCORE: 5", "stop", "big-1", 0.1, None, 200)
    planned.run(max_calls=2)
    planned.asked.clear()

    with pytest.raises(CatalogError, match="no token count for 2 answers"):
        planned.run(max_cost_total=1.0)
    assert planned.asked == []


def test_stale_answers_are_left_unless_they_are_asked_for(planned):
    planned.run()
    planned.asked.clear()
    edit(planned, "evaluation", "judge", "Judge harder: {{ response }}")

    left = planned.run()
    assert (left.plan.left_stale, planned.asked) == (12, [])

    replaced = planned.run(stale=True)
    assert (replaced.outcome.made, len(planned.asked)) == (12, 12)
    assert replaced.plan.left_stale == 0


def test_a_generation_can_be_forced(planned):
    planned.run()
    planned.asked.clear()
    gen_id = planned.store.list_generations("draft")[0]

    planned.run(force=[gen_id])

    assert len(planned.asked) == 1
    assert "replaced" in planned.store.read_raw_metadata("draft", gen_id)


def test_a_forced_generation_has_to_be_in_the_cohort(planned):
    with pytest.raises(CatalogError, match="'d_other' is not in the cohort"):
        planned.run(force=["d_other"])


def test_one_that_fails_does_so_alone_and_its_descendants_are_left(planned):
    def refusing(request):
        if request.prompt.startswith("Link Ant") and "Bee" in request.prompt:
            raise LanguageModelError("the endpoint refused")
        return judge_or_echo(request)

    planned.answer = refusing

    run = planned.run()

    (failed,) = run.outcome.failed
    assert (failed.stage, str(failed.error)) == ("draft", "the endpoint refused")
    assert (run.outcome.made, run.outcome.left) == (14, 6)
    assert done(planned) == {"draft": 2, "essay": 4, "evaluation": 8}


def test_a_cohort_is_run_by_one_at_a_time(planned):
    with planned.cohorts.hold("c1"), pytest.raises(CohortBusyError):
        planned.run()
    assert planned.asked == []
    assert planned.run().complete


def test_a_cohort_that_is_not_planned_asks_nothing(lab):
    with pytest.raises(CohortNotPlannedError, match="cohort 'c1' is not planned yet"):
        lab.run()


def test_a_cancelled_run_leaves_the_rest_to_the_next(planned):
    token = CancellationToken()

    def answering(request):
        token.stop("enough")
        return f"Re: {request.prompt}"

    planned.answer = answering
    run = planned.run(token=token)

    assert run.stopped == "enough"
    assert run.outcome.left > 0
    assert run.outcome.made == len(planned.asked)


def test_a_listener_hears_of_the_plan_once_and_of_each_generation(planned):
    class Listener(NullRunListener):
        def __init__(self):
            self.plans, self.finished = [], []

        def begin(self, plan):
            self.plans.append(plan)

        def note(self, finished, budget):
            self.finished += finished
            self.calls = budget.calls

    listener = Listener()
    planned.run(listener=listener)

    (plan,) = listener.plans
    assert sum(stage.calls for stage in plan.estimate.stages.values()) == 18
    assert {stage: len(gen_ids) for stage, gen_ids in plan.todo.items()} == {
        "draft": 3,
        "essay": 6,
        "evaluation": 12,
    }
    assert (len(listener.finished), listener.calls) == (21, 18)


# Results


def test_results_are_csv_and_parquet(planned):
    planned.run()

    tabulated = tabulate_cohort(planned.store, planned.cohorts, "c1")

    names = {file.rpartition("/")[2] for file in tabulated.files}
    assert names == {
        *(f"{name}.csv" for name in tabulated.tables.by_name()),
        "evaluations.parquet",
    }
    parquet = pl.read_parquet(io.BytesIO(planned.cohorts.reports["c1/evaluations.parquet"]))
    assert parquet.equals(tabulated.tables.evaluations)
    csv = planned.cohorts.reports["c1/evaluations.csv"]
    read = pl.read_csv(csv, schema=tabulated.tables.evaluations.schema)
    assert read["score"].equals(tabulated.tables.evaluations["score"])
    assert read["evaluation"].equals(tabulated.tables.evaluations["evaluation"])


def test_a_drawn_report_writes_nothing(planned):
    planned.run()

    drawn = draw_report(planned.store, planned.cohorts, "c1", NOW)

    assert "<html" in drawn.page
    assert planned.cohorts.reports == {}


# Checks


def test_a_check_names_what_is_missing_and_goes_on(planned):
    planned.run()
    gen_id = planned.store.list_generations("essay")[0]
    planned.store.delete_generation("essay", gen_id)

    checked = check_data_root(planned.store, planned.cohorts, None)

    assert {finding.kind for finding in checked.findings} == {"not there", "no parent"}
    assert checked.generations == 20


def test_a_check_shows_how_far_it_is(planned):
    seen = []

    def progress(generations):
        for generation in generations:
            seen.append(generation)
            yield generation

    check_data_root(planned.store, planned.cohorts, None, progress=progress)

    assert len(seen) == 21


def test_a_text_that_a_spreadsheet_would_run_is_kept_from_it_in_csv_alone(planned):
    planned.run()
    gen_id = planned.store.list_generations("evaluation")[0]
    raw = planned.store.read_raw_metadata("evaluation", gen_id)
    planned.store.write_raw_metadata("evaluation", gen_id, {**raw, "answered_by": "=1+cmd|'/C'!A0"})

    tabulated = tabulate_cohort(planned.store, planned.cohorts, "c1")

    csv = pl.read_csv(planned.cohorts.reports["c1/evaluations.csv"])
    assert "'=1+cmd|'/C'!A0" in csv["answered_by"].to_list()
    parquet = pl.read_parquet(io.BytesIO(planned.cohorts.reports["c1/evaluations.parquet"]))
    assert "=1+cmd|'/C'!A0" in parquet["answered_by"].to_list()
    assert tabulated.tables.evaluations.equals(parquet)


def test_contrasts_are_planned_until_the_specification_is_edited(lab):
    spec = attrs.evolve(lab.cohorts.read_spec("c1"), contrasts=["essay_template"])
    lab.cohorts.write_spec("c1", spec)
    plan_cohort(lab.store, lab.cohorts, "c1")
    lab.run()

    def planned():
        effects = gather_results(lab.store, lab.cohorts, ["c1"]).tables.effects
        return set(effects.filter(effects["planned"])["group"])

    assert planned() == {"essay_template"}
    lab.cohorts.write_spec("c1", attrs.evolve(spec, contrasts=["essay_template", "combo"]))
    assert planned() == set()
    plan_cohort(lab.store, lab.cohorts, "c1")
    assert "essay_template" in planned()


def test_contrasts_stay_planned_if_the_specification_names_a_concept_by_its_new_id(lab):
    spec = attrs.evolve(lab.cohorts.read_spec("c1"), contrasts=["essay_template"])
    lab.cohorts.write_spec("c1", spec)
    plan_cohort(lab.store, lab.cohorts, "c1")
    lab.run()
    rename_concept(lab.cohorts, "ant", "zebra")

    axes = attrs.evolve(spec.axes, concepts=["zebra", "bee", "cod"])
    lab.cohorts.write_spec("c1", attrs.evolve(spec, axes=axes))

    effects = gather_results(lab.store, lab.cohorts, ["c1"]).tables.effects
    assert set(effects.filter(effects["planned"])["group"]) == {"essay_template"}


def test_the_report_says_which_comparisons_were_planned(lab):
    def standings():
        report = draw_report(lab.store, lab.cohorts, "c1", NOW).report
        return {factor.name: factor.standing for factor in compare_factors(report)}

    spec = attrs.evolve(lab.cohorts.read_spec("c1"), contrasts=["essay_template"])
    lab.cohorts.write_spec("c1", spec)
    plan_cohort(lab.store, lab.cohorts, "c1")
    lab.run()

    found = standings()
    assert found.pop("essay template") == "planned"
    assert set(found.values()) == {"found by looking"}
    assert "found by looking" in draw_report(lab.store, lab.cohorts, "c1", NOW).page
    lab.cohorts.write_spec("c1", attrs.evolve(spec, contrasts=[]))
    plan_cohort(lab.store, lab.cohorts, "c1")
    assert set(standings().values()) == {""}
