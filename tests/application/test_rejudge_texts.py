"""Texts that are there are judged again, in a cohort of their own."""

import attrs
import pytest

from daydreaming_dagster.application.cohort_results import tabulate_cohort
from daydreaming_dagster.application.curate import delete_cohort
from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.application.rejudge_texts import NewJudges, rejudge_texts
from daydreaming_dagster.domain.catalog import ModelEntry, TemplateEntry
from daydreaming_dagster.domain.errors import CatalogError

DEPTH = NewJudges(["depth"], ["small"], replicates=2)


@pytest.fixture
def ran(lab):
    """c1 is run, and the template depth and the model small are new."""
    plan_cohort(lab.store, lab.cohorts, "c1")
    assert lab.run().complete
    lab.asked.clear()
    lab.store.templates["evaluation", "depth"] = "Judge depth: {{ response }}"
    catalog = lab.cohorts.catalog
    lab.cohorts.catalog = attrs.evolve(
        catalog,
        templates={**catalog.templates, ("evaluation", "depth"): TemplateEntry("depth")},
        models={**catalog.models, "small": ModelEntry("small", "small-1", "acme")},
    )
    return lab


def essays(lab, count=2):
    return sorted(lab.cohorts.read_membership("c1")["essay"])[:count]


def rejudge(lab, gen_ids, judges=DEPTH, cohort_id="again"):
    return rejudge_texts(lab.store, lab.cohorts, cohort_id, gen_ids, judges)


def test_the_members_are_the_texts_and_the_new_judgments(ran):
    rejudge(ran, essays(ran))

    members = ran.cohorts.read_membership("again")
    assert members["draft"] == []
    assert members["essay"] == essays(ran)
    assert len(members["evaluation"]) == 4
    assert ran.run("again").complete
    assert len(ran.asked) == 4
    assert all(prompt.startswith("Judge depth: ") for prompt in ran.asked)


def test_their_results_are_of_the_new_judges_and_know_the_lineage(ran):
    rejudge(ran, essays(ran))
    ran.run("again")

    tables = tabulate_cohort(ran.store, ran.cohorts, "again").tables

    assert sorted(tables.ranking["essay"]) == essays(ran)
    assert set(tables.evaluations["evaluation_template"]) == {"depth"}
    assert set(tables.ranking["draft_template"]) == {"links"}
    both = tabulate_cohort(ran.store, ran.cohorts, "c1", "again").tables
    assert both.ranking.height == 6


def test_a_judgment_that_is_there_is_not_asked_for_again(ran):
    recorded = rejudge(ran, essays(ran), NewJudges(["evaluation/judge"], ["big"], replicates=2))

    assert recorded.record.created == 0
    assert set(ran.cohorts.read_membership("again")["evaluation"]) <= set(
        ran.cohorts.read_membership("c1")["evaluation"]
    )
    assert ran.run("again").complete
    assert ran.asked == []


def test_planning_again_changes_nothing_and_another_list_is_refused(ran):
    first = rejudge(ran, essays(ran))

    assert rejudge(ran, essays(ran)).plan == first.plan
    with pytest.raises(CatalogError, match="another specification"):
        rejudge(ran, essays(ran, 3))
    with pytest.raises(CatalogError, match="another specification"):
        rejudge(ran, essays(ran), cohort_id="c1")


def test_texts_that_were_judged_again_stay_if_their_cohort_is_deleted(ran):
    texts = essays(ran)
    rejudge(ran, texts)

    delete_cohort(ran.store, ran.cohorts, None, "c1")

    assert ran.store.list_generations("essay") == texts
    assert ran.run("again").complete
    assert tabulate_cohort(ran.store, ran.cohorts, "again").tables.ranking.height == 2


def test_drafts_go_on_as_essays_and_judgments(ran):
    draft = min(ran.cohorts.read_membership("c1")["draft"])
    spec = ran.cohorts.specs["c1"]
    axes = attrs.evolve(spec.axes, concepts=[], k=None, draft_template=[], draft_llm=[])
    ran.cohorts.specs["on"] = attrs.evolve(spec, axes=axes, texts=[draft])

    recorded = plan_cohort(ran.store, ran.cohorts, "on")

    counts = {stage: len(gen_ids) for stage, gen_ids in ran.cohorts.read_membership("on").items()}
    assert counts == {"draft": 1, "essay": 2, "evaluation": 4}
    assert recorded.record.created == 0


@pytest.mark.parametrize(
    ("gen_ids", "judges", "problem"),
    [
        (["e_none"], DEPTH, r"texts\[0\]: there is no generation 'e_none'"),
        (["../x"], DEPTH, "invalid gen_id"),
        ("draft", DEPTH, "nothing is made from a text of the stage draft"),
        ("twice", DEPTH, "is there 2 times"),
        ("essay", NewJudges(["deep"], ["small"]), "'deep': no judge has it"),
        ("essay", NewJudges(["story"], ["small"]), "'story': no judge has it"),
        ("essay", NewJudges(["depth"], ["tiny"]), "lacks 'tiny'"),
    ],
)
def test_what_cannot_be_judged_again_is_named_and_nothing_is_written(ran, gen_ids, judges, problem):
    if gen_ids == "draft":
        gen_ids = ran.cohorts.read_membership("c1")["draft"]
    elif gen_ids == "twice":
        gen_ids = essays(ran, 1) * 2
    elif gen_ids == "essay":
        gen_ids = essays(ran)

    with pytest.raises(CatalogError, match=problem):
        rejudge(ran, gen_ids, judges)
    assert ran.cohorts.list_cohorts() == ["c1"]


def test_a_text_that_is_not_written_yet_is_named(lab):
    plan_cohort(lab.store, lab.cohorts, "c1")

    with pytest.raises(CatalogError, match="has no text yet; run its cohort first"):
        rejudge(lab, essays(lab), NewJudges(["judge"], ["big"]))
