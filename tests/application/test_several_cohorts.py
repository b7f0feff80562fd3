"""Results without some judges, and results of several cohorts in one ranking."""

from datetime import UTC, datetime

import attrs
import polars as pl
import pytest

from daydreaming_dagster.application.cohort_report import write_report
from daydreaming_dagster.application.cohort_results import tabulate_cohort
from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.domain.catalog import ModelEntry, TemplateEntry
from daydreaming_dagster.domain.cohort.judgment_choice import ScoreChoice
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.ports.language_model import SamplingParameters


def judge(request):
    """Score by the judge's template; echo all else."""
    if request.prompt.startswith("Strict"):
        return "SCORE: 2"
    return "SCORE: 6" if request.prompt.startswith("Judge") else f"Re: {request.prompt}"


@pytest.fixture
def two_judges(lab):
    """c1 is judged with the templates judge and strict."""
    lab.answer = judge
    lab.store.templates["evaluation", "strict"] = "Strict: {{ response }}"
    catalog = lab.cohorts.catalog
    templates = {**catalog.templates, ("evaluation", "strict"): TemplateEntry("strict")}
    models = {**catalog.models, "small": ModelEntry("small", "small-1", "acme")}
    lab.cohorts.catalog = attrs.evolve(catalog, templates=templates, models=models)
    set_cohort(lab, "c1", evaluation_template=["judge", "strict"])
    return lab


def set_cohort(lab, cohort_id, *, more=(), **axes):
    spec = lab.cohorts.specs["c1"]
    changed = attrs.evolve(spec, axes=attrs.evolve(spec.axes, **axes), **dict(more))
    lab.cohorts.specs[cohort_id] = changed
    plan_cohort(lab.store, lab.cohorts, cohort_id, allow_missing=True)
    assert lab.run(cohort_id).complete


def tabulate(lab, *cohort_ids, **options):
    return tabulate_cohort(lab.store, lab.cohorts, *cohort_ids, **options)


@pytest.mark.parametrize("name", ["strict", "strict/big", "evaluation/strict/big"])
def test_a_judge_is_left_out_and_all_tables_say_so(two_judges, name):
    tabulated = tabulate(two_judges, "c1", without=[name])

    assert {score.value for rank in tabulated.ranks for score in rank.scores} == {6}
    assert all(rank.unscored == 0 for rank in tabulated.ranks)
    assert tabulated.without == ["evaluation/strict/big"]
    assert tabulated.notes == ["left out: evaluation/strict/big (12 judgments)"]
    for table in tabulated.tables.by_name().values():
        assert set(table["without"]) <= {"evaluation/strict/big"}
    assert b"evaluation/strict/big" in two_judges.cohorts.reports["c1/essays.csv"]


def test_the_figures_are_those_of_a_cohort_without_the_judge(two_judges):
    set_cohort(two_judges, "c2", evaluation_template=["judge"])

    without = tabulate(two_judges, "c1", without=["strict"]).tables
    alone = tabulate(two_judges, "c2").tables

    for name, table in alone.by_name().items():
        assert without.by_name()[name].drop("without").equals(table), name


@pytest.mark.parametrize(
    ("without", "problem"),
    [
        (["strikt"], "no judge 'strikt'; did you mean 'strict'"),
        (["big"], "no judge would be left"),
        (["ri"], "no judge 'ri'"),
    ],
)
def test_a_judge_that_is_not_there_and_leaving_out_all_are_refused(two_judges, without, problem):
    with pytest.raises(CatalogError, match=problem):
        tabulate(two_judges, "c1", without=without)
    assert two_judges.cohorts.reports == {}


def test_several_cohorts_are_one_ranking_with_what_they_share_once(two_judges):
    set_cohort(two_judges, "c2", concepts=["ant", "bee"], essay_llm=["small"])
    alone = tabulate(two_judges, "c1")

    both = tabulate(two_judges, "c1", "c2", "c1")

    counts = pl.Series([rank.cohorts for rank in both.ranks]).value_counts()
    assert dict(counts.iter_rows()) == {"c1": 5, "c1 c2": 1, "c2": 1}  # the copy is shared
    assert both.tables.evaluations.height == alone.tables.evaluations.height + 4
    assert set(both.tables.ranking["cohorts"]) == {"c1", "c2", "c1 c2"}
    assert "combo: ant+cod, bee+cod (c1)" in both.notes
    assert "essay_llm: big (c1), small (c2)" in both.notes
    assert "1 text of c1 and c2" in both.notes
    assert {name for name in two_judges.cohorts.reports if "with-c2" in name} == {
        name.replace("c1/", "c1/with-c2/")
        for name in two_judges.cohorts.reports
        if "with-c2" not in name
    }


def test_settings_and_edited_inputs_that_differ_are_said(two_judges):
    set_cohort(
        two_judges,
        "c2",
        more={
            "description_level": "sentence",
            "replicates": {"evaluation": 1},
            "sampling": {"essay": SamplingParameters(temperature=0.5)},
            "scores": {"evaluation": ScoreChoice(calls=9, until="top 1 settled")},
            "contrasts": ["essay_llm"],
        },
    )
    two_judges.store.templates["essay", "story"] = "Tell another story of: {{ draft_block }}"
    plan_cohort(two_judges.store, two_judges.cohorts, "c2", allow_missing=True)

    notes = "\n".join(tabulate(two_judges, "c1", "c2").notes)

    assert "description_level: paragraph (c1), sentence (c2)" in notes
    assert "replicates: evaluation: 2 (c1), evaluation: 1 (c2)" in notes
    assert "sampling: none (c1), essay: temperature 0.5 (c2)" in notes
    assert (
        "scores: none (c1), evaluation: choose by doubt, calls 9, until top 1 settled (c2)" in notes
    )
    assert "contrasts: none (c1), essay_llm (c2)" in notes
    assert "template essay/story: SHA-256" in notes


def test_texts_that_share_no_judge_are_said_not_to_be_compared(two_judges):
    set_cohort(two_judges, "c2", evaluation_template=["judge"])
    set_cohort(
        two_judges,
        "c3",
        essay_llm=["small"],
        evaluation_template=["strict"],
        concepts=["ant", "bee"],
        essay_template=["story"],
    )

    assert any("share no judge" in line for line in tabulate(two_judges, "c2", "c3").notes)
    assert not any("share no judge" in line for line in tabulate(two_judges, "c1", "c3").notes)


def test_a_cohort_without_a_specification_is_said_to_have_none(two_judges):
    set_cohort(two_judges, "c2", evaluation_template=["judge"])
    del two_judges.cohorts.specs["c2"]

    assert "specification: none (c2)" in tabulate(two_judges, "c1", "c2").notes


def test_a_report_of_two_cohorts_has_one_ranking_that_names_the_cohorts_of_each_text(two_judges):
    set_cohort(two_judges, "c2", concepts=["ant", "bee"], evaluation_template=["judge"])
    now = datetime(2026, 1, 2, tzinfo=UTC)

    drawn, file = write_report(two_judges.store, two_judges.cohorts, "c1", now, more=["c2", "c1"])

    tabulated = tabulate(two_judges, "c1", "c2")
    assert [(rank.ref, rank.band, rank.cohorts) for rank in drawn.report.ranks] == [
        (rank.ref, rank.band, rank.cohorts) for rank in tabulated.ranks
    ]
    assert {rank.cohorts for rank in drawn.report.ranks} == {"c1", "c1 c2"}
    assert file.endswith("c1/with-c2/report.html")
    assert "Cohorts c1 and c2" in drawn.page
    assert "They differ in " in drawn.page
    assert "evaluation_template: strict (c1)" in drawn.page
