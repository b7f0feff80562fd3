"""The plan is the experiment that was meant: every generation once, under an id of its own."""

import threading
from collections import Counter
from itertools import product

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters import InMemoryGensStore
from daydreaming_dagster.domain.catalog import (
    AnswerSchema,
    Catalog,
    ConceptEntry,
    ModelEntry,
    TemplateEntry,
)
from daydreaming_dagster.domain.cohort.estimate import estimate_generations, planned_generations
from daydreaming_dagster.domain.cohort.manifest import Manifest
from daydreaming_dagster.domain.cohort.planner import PlannedGeneration
from daydreaming_dagster.domain.cohort.planning import make_plan, record_plan
from daydreaming_dagster.domain.cohort.spec import Axes, CohortSpec, Pairs, make_cohort_spec
from daydreaming_dagster.domain.errors import CatalogError, PlanConflictError
from daydreaming_dagster.domain.parsing.registry import RESPONSE_FORMATS
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.ports.errors import StorageUnreachableError
from daydreaming_dagster.ports.ids import check_id
from daydreaming_dagster.ports.language_model import SamplingParameters
from daydreaming_dagster.types import PARENT_STAGE, STAGES

SOURCES = {
    "draft": "{% for concept in concepts %}{{ concept.name }}: {{ concept.content }}{% endfor %}",
    "essay": "{{ draft_block }}",
    "evaluation": "{{ response }}",
}
TEMPLATES = {
    **{(stage, f"t{i}"): TemplateEntry(f"t{i}") for stage in STAGES for i in range(4)},
    ("essay", "copied"): TemplateEntry("copied", generator="copy"),
    ("evaluation", "strict"): TemplateEntry("strict", parser="json_score"),
}
CATALOG = Catalog(
    {name: ConceptEntry(name, name.upper(), {"paragraph": f"{name}."}) for name in "abcde"},
    TEMPLATES,
    {f"m{i}": ModelEntry(f"m{i}", f"model-{i}", "acme") for i in range(4)},
)
SPEC = CohortSpec(
    Axes(
        concepts=["a", "b", "c"],
        k=2,
        draft_template=["t0"],
        draft_llm=["m0", "m1"],
        essay_template=["t0", "copied"],
        essay_llm=["m0", "m1"],
        evaluation_template=["t0", "t1"],
        evaluation_llm=["m0"],
    ),
    replicates={"draft": 1, "essay": 2, "evaluation": 3},
)


def new_store():
    return InMemoryGensStore(templates={key: SOURCES[key[0]] for key in TEMPLATES})


@pytest.fixture
def store():
    return new_store()


def plan_of(spec, cohort_id="c", catalog=CATALOG):
    return make_plan(new_store(), cohort_id, spec, catalog, allow_missing=True)


def with_axes(spec=SPEC, **axes):
    return attrs.evolve(spec, axes=attrs.evolve(spec.axes, **axes))


def lineages(plan):
    """Everything that tells a generation from others, from its metadata and its ancestors'."""
    found = {}
    for planned in plan.generations:
        own = tuple(
            str(planned.metadata.get(key))
            for key in ("template_id", "llm_model_id", "replicate", "mode", "parameters")
        )
        parent = planned.metadata.get("parent_gen_id")
        if parent is None:
            before = (planned.metadata["combo_id"], tuple(planned.metadata["concept_ids"]))
        else:
            before = found[PARENT_STAGE[planned.stage], parent]
        found[planned.stage, planned.gen_id] = (planned.stage, *before, *own)
    return found


def failures(spec, store=None, catalog=CATALOG):
    with pytest.raises(CatalogError) as caught:
        make_plan(new_store() if store is None else store, "c", spec, catalog, allow_missing=True)
    return list(caught.value.problems)


# What is planned


def test_a_cohort_is_the_full_factorial_of_its_axes():
    plan = plan_of(SPEC)

    drafts = 3 * 1 * 2
    essays = drafts * (1 * 2 * 2 + 1)  # the copy has neither models nor replicates
    assert [len(plan.gen_ids(stage)) for stage in STAGES] == [drafts, essays, essays * 2 * 1 * 3]


def test_every_combination_of_values_is_there_once():
    plan = plan_of(with_axes(essay_template=["t0", "t1"]))

    axes = SPEC.axes
    expected = Counter(
        product(
            ["a+b@paragraph", "a+c@paragraph", "b+c@paragraph"],
            *(axes.draft_template, axes.draft_llm, ["1"]),
            *(["t0", "t1"], axes.essay_llm, ["1", "2"]),
            *(axes.evaluation_template, axes.evaluation_llm, ["1", "2", "3"]),
        )
    )
    columns = ["combo"] + [
        f"{stage}_{part}" for stage in STAGES for part in ("template", "llm", "replicate")
    ]
    assert Counter(tuple(row[column] for column in columns) for row in plan.rows()) == expected


def test_a_row_names_its_generations():
    plan = plan_of(SPEC)
    by_id = {planned.gen_id: planned for planned in plan.generations}

    rows = list(plan.rows())

    assert [row["evaluation"] for row in rows] == plan.gen_ids("evaluation")
    for row in rows:
        assert by_id[row["evaluation"]].metadata["parent_gen_id"] == row["essay"]
        assert by_id[row["essay"]].metadata["parent_gen_id"] == row["draft"]
        assert (row["essay_llm"] == row["essay_replicate"] == "") == (
            row["essay_template"] == "copied"
        )


def test_the_metadata_says_how_a_generation_is_made():
    spec = attrs.evolve(SPEC, sampling={"draft": SamplingParameters(temperature=0.5, seed=7)})

    draft = plan_of(spec).generations[0]
    essay = next(g for g in plan_of(spec).generations if g.metadata["template_id"] == "copied")

    assert draft.metadata == {
        "format_version": 2,
        "gen_id": draft.gen_id,
        "cohort_id": "c",
        "stage": "draft",
        "mode": "llm",
        "template_id": "t0",
        "llm_model_id": "m0",
        "parameters": {"temperature": 0.5, "seed": 7},
        "replicate": 1,
        "combo_id": "a+b@paragraph",
        "concept_ids": ["a", "b"],
        "description_level": "paragraph",
    }
    assert essay.metadata == {
        "format_version": 2,
        "gen_id": essay.gen_id,
        "cohort_id": "c",
        "stage": "essay",
        "mode": "copy",
        "template_id": "copied",
        "parent_gen_id": draft.gen_id,
        "combo_id": "a+b@paragraph",
    }


def test_replicates_with_a_seed_have_seeds_of_their_own():
    spec = attrs.evolve(SPEC, sampling={"evaluation": SamplingParameters(seed=7)})

    seeds = {
        g.metadata["replicate"]: g.metadata["parameters"]["seed"]
        for g in plan_of(spec).generations
        if g.stage == "evaluation"
    }

    assert seeds == {1: 7, 2: 8, 3: 9}


def test_an_unsaid_number_of_replicates_is_that_of_the_data_root():
    catalog = attrs.evolve(CATALOG, replicates={"evaluation": 2, "essay": 5})
    spec = attrs.evolve(SPEC, replicates={"essay": 1})

    plan = plan_of(spec, catalog=catalog)

    assert [len(plan.gen_ids(stage)) for stage in STAGES] == [6, 6 * 3, 6 * 3 * 2 * 2]
    assert plan.notices == ("replicates.evaluation: 2, as the data root says",)


def test_a_judge_in_json_is_held_to_it_by_the_endpoint_unless_the_sampling_says_otherwise():
    spec = with_axes(evaluation_template=["strict", "t0"])
    other = {"response_format": {"type": "text"}, "top_k": 1}

    def formats(spec):
        return {
            g.metadata["template_id"]: g.metadata["parameters"].get("extra_body")
            for g in plan_of(spec).generations
            if g.stage == "evaluation"
        }

    assert formats(spec) == {
        "strict": {"response_format": RESPONSE_FORMATS["json_score"]},
        "t0": None,
    }
    sampling = {"evaluation": SamplingParameters(extra_body=other)}
    assert formats(attrs.evolve(spec, sampling=sampling))["strict"] == other


def test_a_models_own_sampling_and_a_templates_schema_are_part_of_what_is_asked():
    schema = AnswerSchema("idea", {"type": "object"})
    catalog = attrs.evolve(
        CATALOG,
        models={
            **CATALOG.models,
            "m1": ModelEntry("m1", "m-1", sampling=SamplingParameters(0.5, max_tokens=9)),
        },
        templates={**TEMPLATES, ("draft", "t1"): TemplateEntry("t1", schema=schema)},
    )
    spec = attrs.evolve(
        with_axes(draft_llm=["m0", "m1"], draft_template=["t0", "t1"]),
        sampling={"draft": SamplingParameters(temperature=0.0)},
    )

    plan = plan_of(spec, catalog=catalog)

    asked = {
        (g.metadata["template_id"], g.metadata["llm_model_id"]): g.metadata["parameters"]
        for g in plan.generations
        if g.stage == "draft"
    }
    held = {"extra_body": {"response_format": schema.response_format}}
    assert asked == {
        ("t0", "m0"): {"temperature": 0.0},
        ("t0", "m1"): {"temperature": 0.0, "max_tokens": 9},
        ("t1", "m0"): {"temperature": 0.0, **held},
        ("t1", "m1"): {"temperature": 0.0, "max_tokens": 9, **held},
    }


def test_couplings_leave_no_draft_without_an_essay():
    spec = attrs.evolve(
        with_axes(draft_template=["t0", "t1", "t2"], essay_template=["t0", "t1"]),
        pairs=[Pairs("draft_template", "essay_template", [["t0", "t1"], ["t2", "t0"]])],
    )

    plan = plan_of(spec)

    rows = {(row["draft_template"], row["essay_template"]) for row in plan.rows()}
    assert rows == {("t0", "t1"), ("t2", "t0")}
    drafts = {g.metadata["template_id"] for g in plan.generations if g.stage == "draft"}
    assert drafts == {"t0", "t2"}
    assert plan.notices == (
        "axes.draft_template: 't1' is in no combination that the couplings allow",
    )


def test_each_description_that_another_stands_in_for_is_told():
    concepts = {
        **CATALOG.concepts,
        "b": ConceptEntry("b", "B", {"article": "long"}),
        "c": ConceptEntry("c", "C"),
    }
    spec = attrs.evolve(SPEC, description_level="article")

    plan = plan_of(spec, catalog=attrs.evolve(CATALOG, concepts=concepts))

    assert plan.notices == (
        "concept 'a' has no description at level 'article'; its paragraph stands in",
        "concept 'c' has no description at level 'article'; its name stands in",
    )


# Ids


def subsets(pool, most=3):
    return st.lists(st.sampled_from(pool), min_size=1, max_size=most, unique=True)


MODELS, PLAIN = [f"m{i}" for i in range(4)], [f"t{i}" for i in range(4)]
axes_of_any_kind = st.builds(
    Axes,
    concepts=subsets(list("abcde"), 4),
    k=st.just(1),
    draft_template=subsets(PLAIN, 2),
    draft_llm=subsets(MODELS, 2),
    essay_template=subsets([*PLAIN, "copied"], 2),
    essay_llm=subsets(MODELS, 2),
    evaluation_template=subsets(PLAIN, 2),
    evaluation_llm=subsets(MODELS, 2),
).flatmap(lambda axes: st.builds(attrs.evolve, st.just(axes), k=st.integers(1, len(axes.concepts))))


@st.composite
def specs(draw):
    axes = draw(axes_of_any_kind)
    spec = CohortSpec(axes, replicates=draw(st.dictionaries(st.sampled_from(STAGES), st.just(2))))
    left, right = draw(st.permutations(SHIPPED.axes))[:2]
    allowed = draw(
        st.lists(
            st.tuples(*(st.sampled_from(spec.values(axis)) for axis in (left, right))),
            min_size=1,
            unique=True,
        )
    )
    pairs = [Pairs(left, right, [list(pair) for pair in allowed])]
    return attrs.evolve(spec, pairs=draw(st.sampled_from([[], pairs])))


def shuffled(spec, random):
    """The same specification with all its lists in another order."""

    def mixed(values):
        return random.sample(values, len(values))

    axes = {
        field.name: mixed(value) if isinstance(value, list) else value
        for field in attrs.fields(Axes)
        for value in [getattr(spec.axes, field.name)]
    }
    return attrs.evolve(
        spec,
        axes=Axes(**axes),
        replicates=dict(mixed(list(spec.replicates.items()))),
        pairs=[attrs.evolve(pairs, allowed=mixed(pairs.allowed)) for pairs in spec.pairs],
    )


@settings(max_examples=30)
@given(specs())
def test_planning_is_deterministic(spec):
    assert plan_of(spec) == plan_of(spec)


@settings(max_examples=30)
@given(specs(), st.randoms(use_true_random=False))
def test_planning_does_not_depend_on_the_order_of_anything(spec, random):
    plan, other = plan_of(spec), plan_of(shuffled(spec, random))

    assert {g.gen_id: g.metadata for g in plan.generations} == {
        g.gen_id: g.metadata for g in other.generations
    }


@settings(max_examples=30)
@given(specs())
def test_distinct_generations_never_share_an_id(spec):
    plan = plan_of(spec)

    ids = [g.gen_id for g in plan.generations]
    assert len(set(ids)) == len(ids) == len(set(lineages(plan).values()))
    assert len({gen_id.lower() for gen_id in ids}) == len(ids)
    for gen_id in ids:
        check_id("gen_id", gen_id)


@settings(max_examples=30)
@given(specs(), st.sampled_from([axis for axis in SHIPPED.axes if axis != "combo"]), st.data())
def test_another_value_of_one_axis_changes_the_ids_of_what_depends_on_it_alone(spec, axis, data):
    """The value is renamed, so that each generation has a counterpart in the other plan."""
    spec = attrs.evolve(spec, pairs=[])
    value = data.draw(st.sampled_from(spec.values(axis)))
    new = "copied-2" if value == "copied" else "m-new" if "llm" in axis else "t-new"
    stage = axis.partition("_")[0]
    catalog = attrs.evolve(
        CATALOG,
        templates={
            **TEMPLATES,
            (stage, "t-new"): TemplateEntry("t-new"),
            ("essay", "copied-2"): TemplateEntry("copied-2", generator="copy"),
        },
        models={**CATALOG.models, "m-new": ModelEntry("m-new", "new")},
    )
    store = InMemoryGensStore(templates={key: SOURCES[key[0]] for key in catalog.templates})
    renamed = [new if own == value else own for own in spec.values(axis)]

    plan = plan_of(spec)
    other = make_plan(store, "c", with_axes(spec, **{axis: renamed}), catalog, allow_missing=True)

    before, after = lineages(plan), lineages(other)
    place = {"template": 0, "llm": 1}[axis.partition("_")[2]]

    def uses(lineage):
        # (stage, …) begins with the stage of the generation itself; each ancestor's part follows.
        depth = STAGES.index(lineage[0])
        start = depth + 3 + 5 * STAGES.index(stage)
        return STAGES.index(stage) <= depth and lineage[start + place] == value

    assert len(before) == len(after)
    for (own_stage, gen_id), lineage in before.items():
        assert ((own_stage, gen_id) in after) != uses(lineage)


def test_the_order_of_parameters_changes_no_id():
    def ids(extra_body):
        sampling = {"draft": SamplingParameters(extra_body=extra_body)}
        return plan_of(attrs.evolve(SPEC, sampling=sampling)).gen_ids("draft")

    assert ids({"a": 1, "b": {"c": 2, "d": 3}}) == ids({"b": {"d": 3, "c": 2}, "a": 1})


def test_essays_of_two_models_are_two_essays():
    plan = plan_of(with_axes(essay_template=["t0"], essay_llm=["m0", "m1"]))

    pairs = {(row["essay"], row["essay_llm"]) for row in plan.rows()}
    assert len({essay for essay, _ in pairs}) == len(pairs)


@pytest.mark.parametrize(
    "other",
    [
        attrs.evolve(SPEC, description_level="sentence"),
        attrs.evolve(SPEC, sampling={"draft": SamplingParameters(temperature=0.1)}),
        attrs.evolve(SPEC, sampling={"draft": SamplingParameters(extra_body={"top_k": 1})}),
        with_axes(concepts=[], k=None, combo=[["b", "a"], ["c", "a"], ["c", "b"]]),
    ],
    ids=["level", "temperature", "extra body", "order of concepts"],
)
def test_what_changes_a_drafts_text_changes_every_id(other):
    ids = {g.gen_id for g in plan_of(SPEC).generations}

    assert ids.isdisjoint(g.gen_id for g in plan_of(other).generations)


def test_ids_stay_as_they_are_between_versions():
    """Answers that were paid for are found by them: a change of these needs a new signature."""
    spec = with_axes(concepts=["a"], k=1, draft_llm=["m0"], evaluation_template=["t0"])

    plan = plan_of(attrs.evolve(spec, replicates={}))

    assert [plan.gen_ids(stage)[0] for stage in STAGES] == [
        "d_jp76motmrz37jqfome2fzgavtm",
        "e_5qtymurop54piff5kau7qtlb24",
        "v_3tafztsxryyfyb2gdldwelhv4e",
    ]


# Recording


def test_recording_writes_the_metadata_and_nothing_else(store):
    plan = plan_of(SPEC)

    record = record_plan(store, plan)

    assert (record.created, record.found) == (len(plan.generations), 0)
    for planned in plan.generations:
        assert store.read_main_metadata(planned.stage, planned.gen_id) == planned.metadata
    assert [store.list_generations(stage) for stage in STAGES] == [
        sorted(plan.gen_ids(stage)) for stage in STAGES
    ]


@attrs.frozen(eq=False)
class StoreOverNetwork(InMemoryGensStore):
    """Writes when so many others are being written, and not the generation `failing`."""

    at_once: int = 3
    failing: str = ""
    meeting: threading.Barrier = attrs.field(
        default=attrs.Factory(lambda self: threading.Barrier(self.at_once), takes_self=True)
    )

    def threads(self):
        return 3

    def write_main_metadata(self, stage, gen_id, document):
        self.meeting.wait(timeout=60)
        if gen_id == self.failing:
            raise StorageUnreachableError("s3://lab", "gone")
        super().write_main_metadata(stage, gen_id, document)


def test_over_a_network_many_generations_are_recorded_at_once():
    plan, remote = plan_of(SPEC), StoreOverNetwork()

    assert record_plan(remote, plan).created == len(plan.generations)

    for stage in STAGES:
        assert remote.list_generations(stage) == sorted(plan.gen_ids(stage))


@pytest.mark.parametrize("position", [0, -1])
def test_a_generation_that_cannot_be_recorded_over_a_network_ends_the_plan(position):
    plan = plan_of(SPEC)
    failing = plan.gen_ids("draft")[position]

    with pytest.raises(StorageUnreachableError):
        record_plan(StoreOverNetwork(at_once=1, failing=failing), plan)


def test_recording_again_changes_nothing(store):
    plan = plan_of(SPEC)
    record_plan(store, plan)
    store.write_parsed("draft", plan.gen_ids("draft")[0], "done")

    record = record_plan(store, plan)

    assert (record.created, record.found) == (0, len(plan.generations))
    assert sum(record.shared_by_stage.values()) == 0
    assert store.read_parsed("draft", plan.gen_ids("draft")[0]) == "done"


def test_cohorts_share_what_is_the_same_and_it_is_counted_by_stage(store):
    record_plan(store, plan_of(SPEC, "first"))
    second = plan_of(with_axes(evaluation_llm=["m0", "m3"], draft_llm=["m0"]), "second")

    record = record_plan(store, second)

    assert record.found_by_stage == record.shared_by_stage
    assert record.found_by_stage == {"draft": 3, "essay": 15, "evaluation": 90}
    assert record.created_by_stage == {"evaluation": 90}
    draft = second.gen_ids("draft")[0]
    assert store.read_main_metadata("draft", draft)["cohort_id"] == "first"


def test_a_generation_without_its_metadata_gets_it(store):
    plan = plan_of(SPEC)
    gen_id = plan.gen_ids("draft")[0]
    store.write_raw("draft", gen_id, "an answer that was paid for")

    assert record_plan(store, plan).created == len(plan.generations)
    assert store.read_raw("draft", gen_id) == "an answer that was paid for"


def test_metadata_that_says_something_else_is_a_conflict(store):
    plan = plan_of(SPEC)
    gen_id = plan.gen_ids("essay")[0]
    store.write_main_metadata("essay", gen_id, {**plan.generations[6].metadata, "mode": "copy"})

    with pytest.raises(PlanConflictError, match=f"essay/{gen_id} exists with another mode"):
        record_plan(store, plan)


def test_metadata_that_says_something_more_is_a_conflict_too(store):
    plan = plan_of(SPEC)
    gen_id = plan.gen_ids("draft")[0]
    store.write_main_metadata("draft", gen_id, {**plan.generations[0].metadata, "note": "mine"})

    with pytest.raises(PlanConflictError, match=f"draft/{gen_id} exists with another note"):
        record_plan(store, plan)


# Problems


def test_a_specification_with_ten_mistakes_reports_ten():
    spec = make_cohort_spec(
        {
            "axes": {
                "concepts": ["a", "elk"],
                "k": 3,
                "draft_template": ["t0", "nothing"],
                "draft_llm": ["m0", 7],
                "essay_template": ["copied", "t1"],
                "evaluation_template": ["broken"],
                "evaluation_llm": ["m0", "m0"],
                "evaluation_model": ["m0"],
            },
            "replicates": {"draft": 0},
            "ties": [["draft_llm", "essay_lm"]],
        },
        lambda _name, _columns: [],
    )
    catalog = attrs.evolve(
        CATALOG, templates={**TEMPLATES, ("evaluation", "broken"): TemplateEntry("broken")}
    )
    store = InMemoryGensStore(
        templates={("evaluation", "broken"): "{% if %}", **new_store().templates}
    )

    found = failures(spec, store, catalog)

    assert [problem.partition(":")[0] for problem in found] == [
        "axes.draft_llm[1]",
        "axes.evaluation_model",
        "ties[0][1]",
        "axes.k",
        "axes.evaluation_llm",
        "replicates.draft",
        "axes.concepts",
        "axes.draft_template",
        "axes.essay_llm",
        "evaluation template 'broken'",
    ]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (with_axes(concepts=["a", "e", "f"]), ["axes.concepts: the concept catalog lacks 'f'"]),
        (
            with_axes(concepts=[], k=None, combo=[["a", "z"]]),
            ["axes.combo: the concept catalog lacks 'z'"],
        ),
        (with_axes(essay_llm=["m9"]), ["axes.essay_llm: the model catalog lacks 'm9'"]),
        (
            with_axes(essay_template=["t", "copied"]),
            ["axes.essay_template: the essay template catalog lacks 't'"],
        ),
        (with_axes(evaluation_template=[]), ["axes.evaluation_template: missing or empty"]),
        (
            with_axes(draft_llm=[]),
            ["axes.draft_llm: missing or empty, and template 't0' asks a model"],
        ),
        (
            attrs.evolve(
                SPEC,
                pairs=[Pairs("draft_llm", "essay_llm", [["m0", "m1"]])],
                ties=[["draft_llm", "essay_llm"]],
            ),
            ["the couplings leave no combination: none satisfies all of them"],
        ),
    ],
)
def test_what_cannot_be_planned_is_said(spec, expected):
    found = failures(spec)

    assert [problem.partition(";")[0] for problem in found] == expected


@pytest.mark.parametrize(
    ("entry", "source", "expected"),
    [
        (TemplateEntry("x"), None, "no draft template 'x' (memory:/1_raw/templates/draft/x.txt)"),
        (TemplateEntry("x"), "a\n{% for %}", "draft template 'x': syntax error in line 2"),
        (TemplateEntry("x"), "a\n{{ conceps }}", "draft template 'x': line 2: 'conceps' is undef"),
        (TemplateEntry("x"), "{{ concepts[2].name }}", "draft template 'x': line 1: "),
        (TemplateEntry("x", "tea"), "a", "draft template 'x' names the unknown parser 'tea'"),
        (TemplateEntry("x", "in_last_line"), "a", "draft template 'x' names the unknown parser"),
        (
            TemplateEntry("x", generator="copy"),
            None,
            "draft template 'x' copies, and a draft has no parent",
        ),
    ],
)
def test_a_template_that_would_fail_every_generation_is_found_before_any_is_asked(
    entry, source, expected
):
    catalog = attrs.evolve(CATALOG, templates={**TEMPLATES, ("draft", "x"): entry})
    sources = {**new_store().templates, **({} if source is None else {("draft", "x"): source})}

    found = failures(
        with_axes(draft_template=["t0", "x"]), InMemoryGensStore(templates=sources), catalog
    )

    assert len(found) == 1
    assert found[0].startswith(expected)


def test_what_the_catalog_lists_and_the_folder_lacks_matters_only_to_who_uses_it(store):
    del store.templates["draft", "t3"]

    assert make_plan(store, "c", SPEC, CATALOG, allow_missing=True) == plan_of(SPEC)


# What a plan was made from, and what of it changed


def changed(before, after):
    return after.manifest.changed_since(before.manifest)


def edited(key, source):
    templates = {**new_store().templates, key: source}
    return make_plan(InMemoryGensStore(templates=templates), "c", SPEC, CATALOG, allow_missing=True)


def test_the_manifest_names_what_is_used_and_no_more():
    manifest = plan_of(SPEC).manifest

    assert set(manifest.template) == {"draft/t0", "essay/t0", "evaluation/t0", "evaluation/t1"}
    assert set(manifest.concept) == {"a", "b", "c"}
    assert set(manifest.model) == {"m0", "m1"}
    assert (
        len({manifest.spec, *manifest.template.values(), *manifest.concept.values()}) == 1 + 3 + 3
    )
    assert Manifest.from_document(manifest.as_document(), "here") == manifest


@pytest.mark.parametrize("document", [{"version": 2}, {"version": "1"}, []])
def test_what_is_no_manifest_is_named(document):
    with pytest.raises(CatalogError) as caught:
        Manifest.from_document(document, "here")

    assert caught.value.location == "here"
    assert len(caught.value.problems) == 1


def test_nothing_changed_where_nothing_was_edited():
    assert changed(plan_of(SPEC), plan_of(SPEC)) == []


def test_an_edited_template_is_named():
    after = edited(("essay", "t0"), "New: {{ draft_block }}")

    assert changed(plan_of(SPEC), after) == [("template", "essay/t0")]


def test_an_edited_description_is_named():
    concepts = {**CATALOG.concepts, "a": ConceptEntry("a", "A", {"paragraph": "new"})}
    after = plan_of(SPEC, catalog=attrs.evolve(CATALOG, concepts=concepts))

    assert changed(plan_of(SPEC), after) == [("concept", "a")]


def test_another_model_behind_an_id_is_named():
    models = {**CATALOG.models, "m1": ModelEntry("m1", "model-1", "other")}
    after = plan_of(SPEC, catalog=attrs.evolve(CATALOG, models=models))

    assert changed(plan_of(SPEC), after) == [("model", "m1")]


def test_a_description_at_a_level_that_is_not_used_is_no_change():
    concepts = {
        **CATALOG.concepts,
        "a": ConceptEntry("a", "A", {"paragraph": "a.", "article": "much longer"}),
    }
    after = plan_of(SPEC, catalog=attrs.evolve(CATALOG, concepts=concepts))

    assert changed(plan_of(SPEC), after) == []


def test_what_is_used_for_the_first_time_is_no_change():
    after = plan_of(with_axes(essay_template=["t0", "t1", "copied"]))

    assert changed(plan_of(SPEC), after) == []


# What it will ask


@pytest.mark.parametrize(
    "limit",
    [
        SamplingParameters(max_tokens=400),
        SamplingParameters(extra_body={"max_completion_tokens": 400}),
    ],
)
def test_an_estimate_counts_calls_tokens_and_cost(store, limit):
    models = {
        **CATALOG.models,
        "m0": attrs.evolve(CATALOG.models["m0"], prompt_price=1.0, completion_price=10.0),
    }
    catalog = attrs.evolve(CATALOG, models=models)
    spec = attrs.evolve(SPEC, sampling={"essay": limit})
    plan = plan_of(spec, catalog=catalog)

    estimate = estimate_generations(store, catalog, plan.generations)

    assert {stage: (e.generations, e.calls) for stage, e in estimate.stages.items()} == {
        "draft": (6, 6),
        "essay": (30, 24),
        "evaluation": (180, 180),
    }
    sources = {stage: len(source) // 4 for stage, source in SOURCES.items()}
    concepts = 2 * len("A" + "a.") // 4
    draft, judged = (SHIPPED[stage].typical_answer_tokens for stage in ("draft", "evaluation"))
    drafts, essays, evaluations = (estimate.stages[stage] for stage in STAGES)
    assert drafts.prompt_tokens == 6 * (sources["draft"] + concepts)
    assert drafts.completion_tokens == 6 * draft
    assert essays.prompt_tokens == 24 * (sources["essay"] + draft)
    assert essays.completion_tokens == 24 * 400
    # A judge reads the whole draft where the essay is its copy.
    assert evaluations.prompt_tokens == 180 * sources["evaluation"] + 144 * 400 + 36 * draft
    assert evaluations.completion_tokens == 180 * judged
    assert evaluations.cost == pytest.approx(
        (evaluations.prompt_tokens + 10 * evaluations.completion_tokens) / 1e6
    )
    assert drafts.cost == pytest.approx((3 * (sources["draft"] + concepts) + 30 * draft) / 1e6)
    assert estimate.unpriced == ("m1",)


def test_an_estimate_counts_the_descriptions_that_are_used(store):
    def prompt_tokens(level):
        concepts = {
            name: ConceptEntry(name, name, {"paragraph": "p" * 40, "article": "a" * 400})
            for name in "abcde"
        }
        catalog = attrs.evolve(CATALOG, concepts=concepts)
        spec = attrs.evolve(SPEC, description_level=level)
        plan = plan_of(spec, catalog=catalog)
        estimate = estimate_generations(store, catalog, plan.generations)
        return estimate.stages["draft"].prompt_tokens

    assert prompt_tokens("article") - prompt_tokens("paragraph") == 6 * 2 * 360 // 4


def test_a_cost_of_which_nothing_is_known_is_none(store):
    estimate = estimate_generations(store, CATALOG, plan_of(SPEC).generations)

    assert {e.cost for e in estimate.stages.values()} == {None}
    assert estimate.unpriced == ("m0", "m1")


def test_generations_are_estimated_from_what_was_recorded_of_them(store):
    plan = plan_of(SPEC)
    record_plan(store, plan)
    members = {stage: plan.gen_ids(stage) for stage in STAGES}

    assert list(planned_generations(store, members)) == list(plan.generations)


def test_an_estimate_leaves_out_what_was_answered_and_writes_nothing(store):
    plan = plan_of(SPEC)
    record_plan(store, plan)
    store.write_raw("draft", plan.gen_ids("draft")[0], "an answer")

    estimate = estimate_generations(store, CATALOG, plan.generations)

    assert estimate.stages["draft"].generations == 6
    assert estimate.stages["draft"].calls == 5
    assert estimate.stages["essay"].calls == 24


def test_an_answer_that_is_asked_for_again_is_estimated_too(store):
    plan = plan_of(SPEC)
    record_plan(store, plan)
    first = plan.gen_ids("draft")[0]
    store.write_raw_metadata("draft", first, {})

    estimate = estimate_generations(store, CATALOG, plan.generations, again={first})

    assert estimate.stages["draft"].calls == 6


def test_what_cannot_be_read_is_left_out_of_an_estimate(store):
    plan = plan_of(SPEC)
    record_plan(store, plan)
    members = {stage: plan.gen_ids(stage) for stage in STAGES}
    one, two, three, four = members["draft"][:4]
    child = next(p for p in plan.generations if p.metadata.get("parent_gen_id") == four)
    broken = {
        ("draft", one): "main_metadata",
        ("draft", two): "raw_metadata",
        ("draft", four): "parsed",
    }
    for key, artifact in broken.items():
        store._generations[key][artifact] = b"\xff"  # noqa: SLF001  a fault of the disk
    store.write_main_metadata("draft", three, {"template_id": 5})

    planned = list(planned_generations(store, members))
    estimate = estimate_generations(store, CATALOG, planned)
    alone = estimate_generations(store, CATALOG, [child])

    assert len(planned) == len(plan.generations) - 2  # one and three
    assert estimate.stages["draft"].calls == 3
    assert alone.stages[child.stage].calls == 1


def test_what_the_catalog_lost_since_is_not_estimated(store):
    plan = plan_of(SPEC)
    record_plan(store, plan)
    poorer = attrs.evolve(CATALOG, concepts={"a": CATALOG.concepts["a"]})

    estimate = estimate_generations(store, poorer, plan.generations)

    assert estimate.stages["draft"].calls == 6
    source = len(SOURCES["draft"]) // 4
    assert estimate.stages["draft"].prompt_tokens == 6 * source


def test_metadata_of_before_that_says_less_is_estimated_too(store):
    document = {"template_id": "t0", "concept_ids": ["a"]}
    planned = [PlannedGeneration("draft", "d1", document)]

    estimate = estimate_generations(store, CATALOG, planned)

    assert estimate.stages["draft"].calls == 1


def test_a_parent_that_is_there_counts_with_the_length_of_its_text(store):
    plan = plan_of(SPEC)
    essays = [planned for planned in plan.generations if planned.stage == "essay"]
    asking = [planned for planned in essays if planned.metadata["mode"] == "llm"]
    for gen_id in plan.gen_ids("draft"):
        store.write_parsed("draft", gen_id, "x" * 4001)

    estimate = estimate_generations(store, CATALOG, essays)

    source = len(SOURCES["essay"]) // 4
    assert estimate.stages["essay"].prompt_tokens == len(asking) * (source + 1000)
