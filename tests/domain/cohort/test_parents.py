"""Which planned generations are the parents of which."""

from collections import Counter
from itertools import combinations, permutations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters import InMemoryGensStore
from daydreaming_dagster.domain.catalog import Catalog, ConceptEntry, ModelEntry, TemplateEntry
from daydreaming_dagster.domain.cohort import parents as parents_module
from daydreaming_dagster.domain.cohort.planning import make_plan, record_plan
from daydreaming_dagster.domain.cohort.spec import make_cohort_spec
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.domain.stages_document import make_pipeline

STAGES = """
stages:
  draft:      {from: concepts}
  essay:      {from: draft, variables: [draft_block, links_block]}
  critique:   {from: essay}
  revision:   {from: {essay: essay, critique: critique}}
  evaluation: {from: [essay, revision], variables: [response], required: false}
"""
AXES = {
    "combo": [["a", "b"], ["b", "c"]],
    "draft_template": ["t0"],
    "draft_llm": ["m0"],
    "essay_template": ["t0", "t1"],
    "essay_llm": ["m0"],
    "critique_template": ["t0"],
    "critique_llm": ["m0", "m1"],
    "revision_template": ["t0"],
    "revision_llm": ["m0"],
    "evaluation_template": ["t0"],
    "evaluation_llm": ["m0"],
}


def catalog_of(stages):
    pipeline = make_pipeline(yaml.safe_load(stages), "stages.yaml", SHIPPED)
    return Catalog(
        concepts={name: ConceptEntry(name, name, {"paragraph": name}) for name in "abcd"},
        templates={
            **{(stage, f"t{i}"): TemplateEntry(f"t{i}") for stage in pipeline for i in range(3)},
            **{(stage, "copy"): TemplateEntry("copy", generator="copy") for stage in pipeline},
        },
        models={f"m{i}": ModelEntry(f"m{i}", f"m{i}") for i in range(3)},
        pipeline=pipeline,
    )


def plan_of(stages=STAGES, *, without=(), document=None, cohort_id="c", **axes):
    catalog = catalog_of(stages)
    store = InMemoryGensStore(
        templates={
            (stage, template_id): " ".join(
                f"{{{{ {name} }}}}" for name in catalog.pipeline[stage].variables
            )
            for stage, template_id in catalog.templates
        }
    )
    chosen = {
        name: values
        for name, values in {**AXES, **axes}.items()
        if name in catalog.pipeline.axes and name.rpartition("_")[0] not in without
    }
    document = {"axes": chosen, **(document or {})}
    spec = make_cohort_spec(document, None, catalog.pipeline)
    return make_plan(store, cohort_id, spec, catalog)


def counts(plan):
    return Counter(planned.stage for planned in plan.generations)


def lineage(plan):
    """All ancestors of each generation."""
    found = {}
    for planned in plan.generations:
        ref = (planned.stage, planned.gen_id)
        found[ref] = {ref}.union(*(found[tuple(parent)] for parent in planned.parents))
    return found


def test_a_revision_takes_an_essay_and_its_own_critique():
    plan = plan_of()

    assert counts(plan) == {"draft": 2, "essay": 4, "critique": 8, "revision": 8, "evaluation": 12}
    parent_of = {planned.gen_id: planned.parents for planned in plan.generations}
    for planned in plan.generations:
        if planned.stage == "revision":
            essay, critique = planned.parents
            assert (essay.stage, critique.stage) == ("essay", "critique")
            assert parent_of[critique.gen_id] == (essay,)


def test_the_metadata_names_each_parent_with_its_role():
    plan = plan_of()

    of = {planned.stage: planned.metadata for planned in plan.generations}
    assert [parent["role"] for parent in of["revision"]["parents"]] == ["essay", "critique"]
    assert "parent_gen_id" not in of["revision"]
    assert of["critique"]["parents"] == [
        {"role": "essay", "stage": "essay", "gen_id": of["critique"]["parent_gen_id"]}
    ]
    assert of["evaluation"]["parents"][0]["stage"] == "revision"
    assert "parents" not in of["essay"], "its gen_id alone has always said it"


def test_shipped_stages_keep_their_ids_whatever_is_added_to_them():
    shipped = plan_of("stages: {draft: {}, essay: {}, evaluation: {}}")
    added = plan_of(without=("critique", "revision"))

    assert {(g.stage, g.gen_id) for g in shipped.generations} == {
        (g.stage, g.gen_id) for g in added.generations
    }


def test_a_stage_that_is_not_required_can_be_left_out_with_all_that_is_made_from_it_alone():
    plan = plan_of(without=("critique", "revision"))

    assert counts(plan) == {"draft": 2, "essay": 4, "evaluation": 4}
    assert "the stage critique is left out: axes.critique_template is not listed" in plan.notices


def test_a_stage_without_its_parents_is_refused():
    with pytest.raises(CatalogError, match="a revision is made from a critique, and the cohort"):
        plan_of(without=("critique",))


def test_couplings_reach_along_every_way():
    pairs = {
        "left": "critique_llm",
        "right": "revision_llm",
        "allowed": [["m0", "m1"], ["m1", "m0"]],
    }
    plan = plan_of(revision_llm=["m0", "m1"], document={"pairs": [pairs]})

    models = {g.gen_id: g.metadata["llm_model_id"] for g in plan.generations}
    found = {
        (models[g.parents[1].gen_id], models[g.gen_id])
        for g in plan.generations
        if g.stage == "revision"
    }
    assert found == {("m0", "m1"), ("m1", "m0")}
    assert counts(plan)["revision"] == 8


def test_what_the_couplings_leave_without_a_child_is_not_planned():
    tuples = {"axes": ["critique_llm", "revision_llm"], "rows": [["m0", "m0"]]}
    plan = plan_of(document={"tuples": [tuples]}, critique_llm=["m0"])

    assert counts(plan_of(critique_llm=["m0"])) == counts(plan)
    subsets = plan_of(document={"subsets": {"critique_llm": ["m1"]}})
    assert counts(subsets)["critique"] == 4


def test_a_copy_has_one_parent():
    with pytest.raises(CatalogError, match="revision template 'copy' copies, and a revision has"):
        plan_of(revision_template=["copy"])
    assert counts(plan_of(critique_template=["copy"]))["critique"] == 4


DUEL = "stages: {draft: {}, essay: {}, duel: {from: {first: essay, second: essay}%s}}"


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        # Four essays, two of each combination and draft.
        (", judges: pairs", 12),
        (", judges: pairs, within: combo", 4),
        (", judges: pairs, within: draft", 4),
        ("", 2),
        (", within: cohort", 6),
    ],
)
def test_texts_of_one_stage_are_put_beside_each_other(rest, expected):
    plan = plan_of_duel(DUEL % rest)

    duels = [g.parents for g in plan.generations if g.stage == "duel"]
    assert len(duels) == len(set(duels)) == expected
    assert all(first != second for first, second in duels)
    essays = [g.gen_id for g in plan.generations if g.stage == "essay"]
    if ", judges: pairs" in rest and "within" not in rest:
        every = permutations(essays, 2)
    elif "cohort" in rest:
        every = combinations(essays, 2)
    else:
        return
    assert {tuple(ref.gen_id for ref in pair) for pair in duels} == set(every)


def plan_of_duel(stages):
    return plan_of(stages, duel_template=["t0"], duel_llm=["m0"])


def test_more_pairs_than_fit_in_memory_are_refused(monkeypatch):
    monkeypatch.setattr(parents_module, "MOST_PAIRS", 5)

    with pytest.raises(CatalogError, match=r"stages.duel: more than 5 choices of parents"):
        plan_of_duel(DUEL % ", within: cohort")


SUMMARY = "stages: {draft: {}, essay: {}, summary: {from: {essays: {all: essay, of: %s}}}}"
WITH_SUMMARY = {"summary_template": ["t0"], "summary_llm": ["m0"]}


@pytest.mark.parametrize(
    ("group", "sizes"), [("combo", [2, 2]), ("draft", [2, 2]), ("cohort", [4])]
)
def test_all_texts_of_a_group_are_parents_in_the_order_of_their_ids(group, sizes):
    plan = plan_of(SUMMARY % group, **WITH_SUMMARY)

    groups = [g.parents for g in plan.generations if g.stage == "summary"]
    assert [len(members) for members in groups] == sizes
    assert all(list(members) == sorted(members) for members in groups)


def test_a_group_keeps_its_id_when_a_member_is_added():
    def summaries(essay_templates):
        plan = plan_of(SUMMARY % "combo", **WITH_SUMMARY, essay_template=essay_templates)
        return {g.gen_id: g for g in plan.generations if g.stage == "summary"}

    before, after = summaries(["t0"]), summaries(["t0", "t1"])

    assert before.keys() == after.keys()
    for gen_id, planned in before.items():
        assert set(planned.parents) < set(after[gen_id].parents)


def test_planning_again_writes_down_the_new_members_and_nothing_else():
    store = InMemoryGensStore()
    before = plan_of(SUMMARY % "combo", **WITH_SUMMARY, essay_template=["t0"])
    after = plan_of(SUMMARY % "combo", **WITH_SUMMARY, essay_template=["t0", "t1"])
    record_plan(store, before)

    record = record_plan(store, after)

    assert record.created_by_stage == {"essay": 2}
    for planned in after.generations:
        assert store.read_main_metadata(planned.stage, planned.gen_id) == planned.metadata


def test_groups_of_two_cohorts_are_two():
    one = plan_of(SUMMARY % "combo", **WITH_SUMMARY)
    other = plan_of(SUMMARY % "combo", **WITH_SUMMARY, cohort_id="c2")

    assert set(one.gen_ids("essay")) == set(other.gen_ids("essay"))
    assert not set(one.gen_ids("summary")) & set(other.gen_ids("summary"))


VALUES = st.lists(st.sampled_from(["m0", "m1", "m2"]), min_size=1, max_size=2, unique=True)


@settings(max_examples=30)
@given(
    st.fixed_dictionaries(
        {f"{stage}_llm": VALUES for stage in ("draft", "essay", "critique", "revision")}
    ),
    st.dictionaries(st.sampled_from(["essay", "critique", "revision"]), st.just(2)),
    st.booleans(),
)
def test_no_two_generations_share_an_id_and_no_parents_disagree(models, replicates, copied):
    essays = ["t0", "copy"] if copied else ["t0"]
    plan = plan_of(**models, essay_template=essays, document={"replicates": replicates})

    ids = [planned.gen_id for planned in plan.generations]
    assert len(set(ids)) == len(ids)
    described = {str(planned.metadata).replace(planned.gen_id, "") for planned in plan.generations}
    assert len(described) == len(ids)
    for ref, ancestors in lineage(plan).items():
        of_stage = Counter(stage for stage, _ in ancestors)
        assert max(of_stage.values()) == 1, f"{ref} has two ancestors at a stage"


def test_each_row_of_a_plan_says_where_a_generation_comes_from():
    plan = plan_of()

    rows = list(plan.rows())
    assert len(rows) == counts(plan)["evaluation"]
    of_revisions = [row for row in rows if row["revision"]]
    assert len(of_revisions) == 8
    assert all(row["critique_llm"] and row["essay"] for row in of_revisions)
    of_essays = [row for row in rows if not row["revision"]]
    assert {row["critique"] for row in of_essays} == {""}


def test_a_cohort_uses_at_least_one_stage():
    nothing = "stages: {plot: {from: concepts}}"

    with pytest.raises(CatalogError, match="axes: missing or empty; name templates of a stage"):
        plan_of(nothing)
