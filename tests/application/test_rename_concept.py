"""A concept gets another id: nothing is asked again, and results show the new one."""

import attrs
import pytest

from daydreaming_dagster.application.cohort_results import tabulate_cohort
from daydreaming_dagster.application.cohort_status import look
from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.application.rename_concept import rename_concept
from daydreaming_dagster.domain.cohort.spec import Pairs, Tuples
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.results.report import gather_report
from daydreaming_dagster.ports.errors import InvalidIdError


@pytest.fixture
def ran(lab):
    plan_cohort(lab.store, lab.cohorts, "c1")
    assert lab.run().complete
    lab.asked.clear()
    return lab


def set_spec(lab, **axes_and_more):
    spec = lab.cohorts.specs["c1"]
    axes = {
        name: axes_and_more.pop(name)
        for name in ("concepts", "k", "combo")
        if name in axes_and_more
    }
    lab.cohorts.specs["c1"] = attrs.evolve(
        spec, axes=attrs.evolve(spec.axes, **axes), **axes_and_more
    )


@pytest.mark.parametrize("concepts", [["ant", "bee", "cod"], ["zebra", "bee", "cod"]])
def test_a_renamed_concept_is_planned_under_the_same_ids_and_asked_nothing(ran, concepts):
    members = ran.cohorts.read_membership("c1")
    rename_concept(ran.cohorts, "ant", "zebra")
    set_spec(ran, concepts=concepts)

    recorded = plan_cohort(ran.store, ran.cohorts, "c1")

    assert ran.cohorts.read_membership("c1") == members
    assert (recorded.record.created, recorded.changed) == (0, [])
    assert not any(look(ran.store, ran.cohorts, "c1", ran.cohorts.catalog).not_of_today.values())
    assert ran.run().complete
    assert ran.asked == []


def test_results_and_report_show_the_new_id(ran):
    rename_concept(ran.cohorts, "ant", "zebra")

    tabulated = tabulate_cohort(ran.store, ran.cohorts, "c1")
    catalog, members = ran.cohorts.catalog, ran.cohorts.read_membership("c1")
    report = gather_report(ran.store, catalog, "c1", members, ran.cohorts.read_index("c1"))

    shown = {"zebra+bee@paragraph", "zebra+cod@paragraph", "bee+cod@paragraph"}
    assert {rank.combo_id for rank in tabulated.ranks} == shown
    assert set(tabulated.tables.ranking["combo"]) == shown
    assert {item.combo for items in report.generations.values() for item in items} == shown
    assert {concept.concept_id for concept in report.concepts.values()} == {"zebra", "bee", "cod"}


def test_couplings_may_use_either_id(ran):
    members = ran.cohorts.read_membership("c1")["draft"]
    rename_concept(ran.cohorts, "ant", "zebra")
    set_spec(
        ran,
        concepts=[],
        k=None,
        combo=[["zebra", "bee"], ["ant", "cod"]],
        subsets={"combo": ["ant+bee", "zebra+cod"], "draft_llm": ["big"]},
        pairs=[Pairs("combo", "draft_template", [["zebra+bee", "links"], ["ant+cod", "links"]])],
        tuples=[Tuples(["draft_llm", "combo"], [["big", "ant+bee"], ["big", "zebra+cod"]])],
    )

    plan_cohort(ran.store, ran.cohorts, "c1")

    assert ran.cohorts.read_membership("c1")["draft"] == members[:2]


def test_a_concept_is_renamed_again_and_back(ran):
    before = ran.cohorts.catalog
    rename_concept(ran.cohorts, "ant", "zebra")

    assert rename_concept(ran.cohorts, "zebra", "aphid").shown_id == "aphid"
    assert rename_concept(ran.cohorts, "aphid", "ant").shown_id == "ant"
    assert ran.cohorts.catalog == before


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("ant", "bee", "'bee' is or was the id of another concept"),
        ("bee", "ant", "'ant' is or was the id of another concept"),
        ("bee", "zebra", "'zebra' is or was the id of another concept"),
        ("dog", "cat", "there is no concept 'dog'"),
    ],
)
def test_an_id_that_is_taken_or_unknown_is_refused(lab, old, new, problem):
    rename_concept(lab.cohorts, "ant", "zebra")
    before = lab.cohorts.catalog

    with pytest.raises(CatalogError, match=problem):
        rename_concept(lab.cohorts, old, new)
    assert lab.cohorts.catalog == before


def test_an_id_that_is_not_safe_is_refused(lab):
    with pytest.raises(InvalidIdError):
        rename_concept(lab.cohorts, "ant", "../ant")
