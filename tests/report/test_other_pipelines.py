"""Results of pipelines other than the shipped one."""

from datetime import UTC, datetime
from functools import partial

import pytest
import yaml

from adapters import InMemoryGensStore
from adapters.language_model.scripted import ScriptedLanguageModel
from builders import generate
from daydreaming_dagster.domain.catalog import Catalog, ConceptEntry, ModelEntry, TemplateEntry
from daydreaming_dagster.domain.checks.integrity import IntegrityCheck
from daydreaming_dagster.domain.checks.quality import check_generations
from daydreaming_dagster.domain.cohort.index import CohortIndex
from daydreaming_dagster.domain.cohort.planning import make_plan, record_plan
from daydreaming_dagster.domain.cohort.spec import make_cohort_spec
from daydreaming_dagster.domain.cohort.staleness import look_at_cohort
from daydreaming_dagster.domain.generation.metadata import resolve_generation_metadata
from daydreaming_dagster.domain.generation.prompt_values import compute_prompt_values
from daydreaming_dagster.domain.generation.runner import GenerationRunner
from daydreaming_dagster.domain.generation.stored import read_stored_generation
from daydreaming_dagster.domain.results.evaluations import read_evaluations
from daydreaming_dagster.domain.results.ranking import rank_texts
from daydreaming_dagster.domain.results.report import gather_report
from daydreaming_dagster.domain.results.tables import make_result_tables
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.domain.stages_document import make_pipeline
from daydreaming_dagster.ports.errors import InvalidMetadataError
from daydreaming_dagster.report.figures import make_figures
from daydreaming_dagster.report.page import render_page

TWO_JUDGES = "stages: {draft: {}, essay: {}, evaluation: {}, second: {from: essay, judges: true}}"
MENDED = """
stages:
  draft: {}
  essay: {}
  critique: {from: essay}
  revision: {from: {essay: essay, critique: critique}}
  evaluation: {from: [essay, revision]}
"""
OF_A_COHORT = """
stages:
  draft: {}
  essay: {}
  digest: {from: {essays: {all: essay, of: cohort}}}
  evaluation: {from: [essay, digest]}
"""
NO_JUDGE = "stages: {idea: {from: concepts}, story: {from: idea}}"


class Made:
    """A cohort of two combinations that was run, with one template and model for each stage."""

    def __init__(self, stages):
        self.pipeline = make_pipeline(yaml.safe_load(stages), "stages.yaml", SHIPPED)
        self.catalog = Catalog(
            concepts={name: ConceptEntry(name, name, {"paragraph": name}) for name in "abc"},
            templates={(stage, "t"): TemplateEntry("t") for stage in self.pipeline},
            models={"m": ModelEntry("m", "m-1")},
            pipeline=self.pipeline,
        )
        self.store = InMemoryGensStore(
            templates={
                (row.name, "t"): " ".join(f"{{{{ {name} }}}}" for name in row.variables)
                for row in self.pipeline.stages
            }
        )
        axes = {
            f"{stage}_{axis}": [value] for stage in self.pipeline for axis, value in AXES.items()
        }
        document = {"axes": {"combo": [["a", "b"], ["b", "c"]], **axes}}
        plan = make_plan(
            self.store, "c", make_cohort_spec(document, None, self.pipeline), self.catalog
        )
        record_plan(self.store, plan)
        self.members = {stage: plan.gen_ids(stage) for stage in self.pipeline}
        model = ScriptedLanguageModel(lambda request: f"{len(request.prompt)}.\nSCORE: 6")
        for done in generate(GenerationRunner(self.store, model, self.catalog), self.members):
            assert done.error is None

    def evaluations(self):
        return list(read_evaluations(self.store, self.pipeline, self.members, self.catalog.models))

    def tables(self):
        return make_result_tables(self.pipeline, self.evaluations())


AXES = {"template": "t", "llm": "m"}


@pytest.mark.parametrize(
    ("stages", "name", "ranked"),
    [
        (TWO_JUDGES, "essays", ["essay"] * 2),
        (MENDED, "texts", ["essay"] * 2 + ["revision"] * 2),
        (OF_A_COHORT, "texts", ["digest", "essay", "essay"]),
        (NO_JUDGE, "texts", []),
    ],
)
def test_all_that_is_judged_is_ranked_and_told_apart(stages, name, ranked):
    made = Made(stages)

    tables = made.tables().by_name()
    ranks = rank_texts(made.store, made.pipeline, made.members)

    assert [rank.stage for rank in ranks] == ranked
    assert tables[name].height == len(ranked)
    assert tables["missing"].height == 0
    assert set(tables["templates"]["stage"]) == set(made.pipeline.judged_lineage)


def test_two_judging_stages_are_two_judges_of_one_text():
    made = Made(TWO_JUDGES)

    agreement = made.tables().agreement
    (first, second) = rank_texts(made.store, made.pipeline, made.members)

    assert agreement.columns[:4] == ["judge_stage", "judge_template", "judge_llm", "essays"]
    between = agreement.filter(agreement["judge_llm"].is_null())
    assert between["judge_stage"].to_list() == ["evaluation", "second"]
    assert between["essays"].to_list() == [0, 0], "a template of each stage has one model"
    assert (len(first.scores), len(second.scores)) == (2, 2)


def test_judges_of_different_stages_are_told_apart_though_their_templates_have_one_name():
    made = Made(TWO_JUDGES)

    report = gather_report(made.store, made.catalog, "c", made.members, CohortIndex())

    judges = {judge.template: len(judge.shares) for judge in report.judge_scores()}
    assert judges == {"evaluation/t": 2, "second/t": 2}


def test_an_evaluation_has_only_those_ancestors_that_are_alone_at_their_stage():
    rows = Made(OF_A_COHORT).evaluations()

    of_digest = [row for row in rows if row.judged.stage == "digest"]
    assert [list(row.lineage) for row in of_digest] == [["digest", "evaluation"]]
    assert [row.combo for row in of_digest] == [""]
    of_essays = [row for row in rows if row.judged.stage == "essay"]
    assert all(list(row.lineage) == ["draft", "essay", "evaluation"] for row in of_essays)


@pytest.mark.parametrize("stages", [TWO_JUDGES, MENDED, OF_A_COHORT, NO_JUDGE])
def test_a_run_cohort_is_done_checked_and_reported(stages):
    made = Made(stages)

    state = look_at_cohort(made.store, made.catalog, made.members, CohortIndex())
    again = look_at_cohort(made.store, made.catalog, made.members, state.index)
    report = gather_report(made.store, made.catalog, "c", made.members, CohortIndex())
    figures = make_figures(report, made.tables())
    now = datetime(2026, 1, 1, tzinfo=UTC)
    page = render_page(report, figures, partial(read_stored_generation, made.store), now)

    assert {stage: status.done for stage, status in state.stages.items()} == {
        stage: len(gen_ids) for stage, gen_ids in made.members.items()
    }
    assert again.index == state.index
    for stage, gen_ids in made.members.items():
        found = check_generations(made.store, made.pipeline, stage, gen_ids)
        assert [finding for findings in found.values() for finding in findings] == []
    assert all(gen_id in page for gen_ids in made.members.values() for gen_id in gen_ids)


@pytest.mark.parametrize(
    ("stage", "parents", "reason"),
    [
        ("evaluation", [], "parent_gen_id is missing"),
        ("revision", [("essay", "essay")], "lack a critique"),
        ("evaluation", [("parent", "poem")], "is of an unknown stage"),
    ],
)
def test_a_lineage_that_metadata_does_not_say_is_refused(stage, parents, reason):
    made = Made(MENDED)
    gen_id = made.members[stage][-1]
    main = dict(made.store.read_main_metadata(stage, gen_id))
    main.pop("parent_gen_id", None)
    main["parents"] = [
        {"role": role, "stage": of_stage, "gen_id": "x"} for role, of_stage in parents
    ]
    made.store.write_main_metadata(stage, gen_id, main)

    with pytest.raises(InvalidMetadataError, match=reason):
        made.evaluations()


def test_a_prompt_needs_every_role():
    made = Made(MENDED)
    (gen_id, *_) = made.members["revision"]
    main = dict(made.store.read_main_metadata("revision", gen_id))
    main["parents"] = main["parents"][:1]
    made.store.write_main_metadata("revision", gen_id, main)

    with pytest.raises(InvalidMetadataError, match="names 0 parents for the role critique"):
        compute_prompt_values(
            made.store,
            "revision",
            gen_id,
            resolve_generation_metadata(made.store, "revision", gen_id),
            None,
            made.pipeline,
        )
    check = IntegrityCheck(made.pipeline, {stage: set(ids) for stage, ids in made.members.items()})
    found = check.check(read_stored_generation(made.store, "revision", gen_id))
    assert [finding.message for finding in found] == ["its metadata names no critique"]
