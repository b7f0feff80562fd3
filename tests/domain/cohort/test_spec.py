"""What a specification says, and how its mistakes are reported: all at once, each with its path."""

import csv
import io
import re
from pathlib import Path

import pytest
import yaml

from adapters import InMemoryGensStore
from builders import contest_pipeline
from daydreaming_dagster.domain import documents as structuring
from daydreaming_dagster.domain.catalog import Catalog, ConceptEntry, ModelEntry, TemplateEntry
from daydreaming_dagster.domain.cohort.couplings import Coupling
from daydreaming_dagster.domain.cohort.manifest import digest_of_spec
from daydreaming_dagster.domain.cohort.planning import make_plan
from daydreaming_dagster.domain.cohort.spec import (
    Axes,
    CohortSpec,
    Pairs,
    make_cohort_spec,
    spec_problems,
)
from daydreaming_dagster.domain.documents import without_consequences
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.ports.language_model import SamplingParameters
from daydreaming_dagster.types import STAGES

DOCUMENT = (Path(__file__).parents[3] / "docs" / "cohorts.md").read_text("utf-8")
FULL = """
axes:
  combo: [[ant, bee], [bee, cod]]
  draft_template: [d1, d2]
  draft_llm: [m1, m2]
  essay_template: [e1, e2]
  essay_llm: [m1, m2]
  evaluation_template: [v1]
  evaluation_llm: [m1, m2]
"""


@pytest.fixture(autouse=True)
def new_converter():
    """Else what makes it would be tried by the first test alone, as mutation testing shows."""
    structuring._converter.cache_clear()  # noqa: SLF001  a cache has no other reset


def blocks(language):
    return re.findall(rf"^```{language}([^\n]*)\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)


def in_files(files):
    def read_columns(name, columns):
        if name not in files:
            raise CatalogError(name, (f"{name} is missing",))
        rows = list(csv.DictReader(io.StringIO(files[name])))
        missing = [column for column in columns if column not in rows[0]]
        if missing:
            raise CatalogError(name, (f"{name}, line 1: no column {', '.join(missing)}",))
        return [[row[column] for column in columns] for row in rows]

    return read_columns


def make(text, files=None):
    return make_cohort_spec(yaml.safe_load(text), in_files(files or {}))


def problems(text, files=None):
    spec = make(text, files)
    found = without_consequences(spec_problems(spec, SHIPPED), spec.problems)
    return [str(problem) for problem in (*spec.problems, *found)]


def permissive_catalog(spec):
    """A catalog that has all that a specification names, and a store with the templates."""
    combos = [value.split("+") for value in spec.values("combo")]
    ids = {concept_id for combo in combos for concept_id in combo}
    templates = {
        (stage, name): TemplateEntry(name)
        for stage in STAGES
        for name in spec.values(SHIPPED[stage].axes[0])
    }
    models = {name for stage in STAGES for name in spec.values(SHIPPED[stage].axes[1])}
    catalog = Catalog(
        {name: ConceptEntry(name, name) for name in ids},
        templates,
        {name: ModelEntry(name, name) for name in models},
    )
    return InMemoryGensStore(templates=dict.fromkeys(templates, "Write.")), catalog


@pytest.mark.parametrize("example", [text for _, text in blocks("yaml")])
def test_every_documented_example_makes_the_plan_that_is_said(example):
    files = {re.search('title="(.*)"', title)[1]: text for title, text in blocks("csv")}
    spec = make(example, files)

    store, catalog = permissive_catalog(spec)

    plan = make_plan(store, "c", spec, catalog, allow_missing=True)

    counts = {stage: len(plan.gen_ids(stage)) for stage in STAGES}
    said = ", ".join(f"{n} {stage}{'' if n == 1 else 's'}" for stage, n in counts.items())
    assert example.partition("\n")[0] == f"# {said}"


def test_a_whole_specification_is_read():
    spec = make(
        FULL
        + """
description_level: article
replicates: {draft: 2, evaluation: 3}
sampling: {draft: {temperature: 1, max_tokens: 100, extra_body: {any: [{json: null}]}}}
subsets: {draft_llm: [m1]}
ties: [[draft_llm, essay_llm]]
pairs: [{left: draft_template, right: combo, allowed: [[d1, ant+bee], [d2, bee+cod]]}]
tuples: [{axes: [essay_template, draft_template], rows: [[e1, d1]]}]
"""
    )

    assert spec.problems == ()
    assert list(spec_problems(spec, SHIPPED)) == []
    assert spec.axes.combo == [["ant", "bee"], ["bee", "cod"]]
    assert spec.description_level == "article"
    assert spec.replicates == {"draft": 2, "evaluation": 3}
    assert spec.sampling["draft"] == SamplingParameters(
        temperature=1.0, max_tokens=100, extra_body={"any": [{"json": None}]}
    )
    assert spec.couplings(SHIPPED) == [
        Coupling.of(SHIPPED, ["draft_llm"], [["m1"]]),
        Coupling.of(SHIPPED, ["draft_llm", "essay_llm"], [["m1", "m1"], ["m2", "m2"]]),
        Coupling.of(SHIPPED, ["combo", "draft_template"], [["ant+bee", "d1"], ["bee+cod", "d2"]]),
        Coupling.of(SHIPPED, ["draft_template", "essay_template"], [["d1", "e1"]]),
    ]


def test_a_stage_that_a_specification_does_not_use_leaves_its_digest_alone():
    document = yaml.safe_load(FULL)
    read = in_files({})
    plain = make_cohort_spec(document, read)
    document["axes"] |= {"contest_template": [], "contest_llm": []}

    assert digest_of_spec(make_cohort_spec(document, read, contest_pipeline())) == (
        digest_of_spec(plain)
    )
    document["axes"]["contest_llm"] = ["m1"]
    assert digest_of_spec(make_cohort_spec(document, read, contest_pipeline())) != (
        digest_of_spec(plain)
    )


def test_concepts_are_combined_in_the_order_of_their_ids():
    def combos(concepts):
        return CohortSpec(Axes(concepts=concepts, k=2)).values("combo")

    assert combos(["cod", "ant", "bee"]) == combos(["ant", "bee", "cod"])
    assert combos(["cod", "ant", "bee"]) == ["ant+bee", "ant+cod", "bee+cod"]


def test_an_axis_that_is_not_listed_has_the_values_of_its_couplings():
    spec = make("""
axes: {draft_llm: [m9]}
pairs: [{left: draft_template, right: draft_llm, allowed: [[d2, m1], [d1, m1]]}]
tuples: [{axes: [draft_template, combo], rows: [[d3, ant+bee], [d1, ant+bee]]}]
""")

    assert spec.values("draft_template") == ["d2", "d1", "d3"]
    assert spec.values("combo") == ["ant+bee"]
    assert spec.values("draft_llm") == ["m9"]
    assert spec.values("essay_llm") == []


def test_lists_may_stand_in_files():
    spec = make(
        """
axes: {draft_llm: "@file:models.csv", combo: "@file:combos.csv", draft_template: [d1, d2]}
subsets: {draft_llm: "@file:some.csv"}
pairs: [{left: draft_template, right: draft_llm, allowed: "@file:table.csv"}]
tuples: [{axes: [draft_llm, draft_template], rows: "@file:table.csv"}]
""",
        {
            "models.csv": "note,draft_llm\nx,m1\ny,m2\n",
            "combos.csv": "combo\nant+bee\ncod\n",
            "some.csv": "draft_llm\nm2\n",
            "table.csv": "draft_llm,draft_template\nm1,d1\nm2,d2\n",
        },
    )

    assert spec.problems == ()
    assert spec.axes.draft_llm == ["m1", "m2"]
    assert spec.axes.combo == [["ant", "bee"], ["cod"]]
    assert spec.subsets == {"draft_llm": ["m2"]}
    assert spec.pairs[0].allowed == [["d1", "m1"], ["d2", "m2"]]
    assert spec.tuples[0].rows == [["m1", "d1"], ["m2", "d2"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a", "the document: expected a mapping, found ['a']"),
        ("axes: 3", "axes: expected a mapping, found 3"),
        ("axis: {}", "axis: unknown key; did you mean 'axes'?"),
        ("problems: []", "problems: unknown key"),
        ("axes: {draft_lm: [m]}", "axes.draft_lm: unknown key; did you mean 'draft_llm'?"),
        ("axes: {draft_llm: m1}", "axes.draft_llm: expected a list, found 'm1'"),
        ("axes: {draft_llm: [m1, no]}", "axes.draft_llm[1]: expected a string, found False"),
        ("axes: {combo: [[a], [3]]}", "axes.combo[1][0]: expected a string, found 3"),
        ("axes: {combo: [a+b]}", "axes.combo[0]: expected a list, found 'a+b'"),
        ("axes: {concepts: [a, b], k: two}", "axes.k: "),
        ("replicates: {draft: 1.5}", "replicates.draft: expected a whole number, found 1.5"),
        ("replicates: {draft: true}", "replicates.draft: expected a whole number, found True"),
        ("replicates: {daft: 1}", "replicates.daft: expected one of draft, essay, evaluation,"),
        ("sampling: {draft: {seed: x}}", "sampling.draft.seed: "),
        ("sampling: {draft: {sed: 1}}", "sampling.draft.sed: unknown key; did you mean 'seed'?"),
        ("subsets: {llm: [a]}", "subsets.llm: expected one of combo, draft_template,"),
        ("ties: [[draft_llm, essay_lm]]", "ties[0][1]: expected one of combo, draft_template,"),
        ("pairs: [{left: combo, rihgt: essay_llm}]", "pairs[0].rihgt: unknown key; did you mean"),
        ("pairs: {left: combo}", "pairs: expected a list, found {'left': 'combo'}"),
        ("pairs: [{balance: all}]", "pairs[0].balance: "),
        ("tuples: [{axes: [combo], rows: [[a, [b]]]}]", "tuples[0].rows[0][1]: expected a string"),
    ],
)
def test_what_is_no_specification_is_reported_with_its_path(text, expected):
    found = [str(problem) for problem in make(text).problems]

    assert len(found) == 1
    assert found[0].startswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("axes: {combo: [[ant], [ant]]}", "axes.combo: 'ant' is there 2 times"),
        ("axes: {combo: [[ant, ant]]}", "axes.combo[0]: 'ant' is there 2 times"),
        ("axes: {combo: [[]]}", "axes.combo[0]: empty"),
        ("axes: {combo: [[ant]], k: 1}", "axes.combo: excludes concepts and k"),
        ("axes: {combo: [[ant]], concepts: [ant]}", "axes.combo: excludes concepts and k"),
        ("axes: {concepts: [ant]}", "axes.k: missing"),
        ("axes: {concepts: [ant], k: 2}", "axes.k: expected 1 to 1, the number of concepts"),
        ("axes: {concepts: [ant], k: 0}", "axes.k: expected 1 to 1, the number of concepts"),
        ("axes: {concepts: [ant, ant], k: 2}", "axes.concepts: 'ant' is there 2 times"),
        ("axes: {draft_llm: [m1, m1]}", "axes.draft_llm: 'm1' is there 2 times"),
        ("replicates: {draft: 0}", "replicates.draft: expected 1 to 10,000, found 0"),
        (FULL + "subsets: {draft_llm: [m3]}", "subsets.draft_llm[0]: 'm3' is not a value of"),
        (FULL + "subsets: {draft_llm: []}", "subsets.draft_llm: empty"),
        (FULL + "subsets: {draft_llm: [m1, m1]}", "subsets.draft_llm: 'm1' is there 2 times"),
        (FULL + "ties: [[draft_llm]]", "ties[0]: expected at least two axes"),
        (FULL + "ties: [[draft_llm, draft_llm]]", "ties[0]: 'draft_llm' is there 2 times"),
        (
            FULL + "ties: [[draft_llm, draft_template]]",
            "ties[0]: tied axes list the same values; draft_llm lacks d1, d2; draft_template lacks",
        ),
        (FULL + "pairs: [{left: combo, allowed: [[a, b]]}]", "pairs[0].right: missing"),
        (FULL + "pairs: [{left: combo, right: draft_llm}]", "pairs[0].allowed: empty"),
        (
            FULL + "pairs: [{left: draft_llm, right: draft_llm, allowed: [[m1, m1]]}]",
            "pairs[0]: 'draft_llm' is there 2 times",
        ),
        (
            FULL + "pairs: [{left: draft_llm, right: essay_llm, allowed: [[m1, m2], [m1]]}]",
            "pairs[0].allowed[1]: expected 2 values (draft_llm, essay_llm), found 1",
        ),
        (
            FULL + "pairs: [{left: draft_llm, right: combo, allowed: [[m1, bee+ant]]}]",
            "pairs[0].allowed[0]: 'bee+ant' is not a value of combo",
        ),
        (
            FULL
            + "pairs: [{left: draft_llm, right: essay_llm, balance: both,"
            + " allowed: [[m1, m1], [m1, m2], [m2, m1], [m1, m2]]}]",
            "pairs[0].allowed: 'm1, m2' is there 2 times",
        ),
        (
            FULL
            + "pairs: [{left: combo, right: essay_llm, balance: both,"
            + " allowed: [[ant+bee, m1]]}]",
            None,
        ),
        (
            FULL.replace("[d1, d2]", "[d1, d2, d3]")
            + "pairs: [{left: draft_template, right: essay_llm, balance: both,"
            + " allowed: [[d1, m1], [d2, m1], [d3, m2]]}]",
            "pairs[0].balance: no choice of these pairs is balanced (both)",
        ),
        (FULL + "tuples: [{axes: [combo], rows: [[ant+bee]]}]", "tuples[0].axes: expected at"),
        (
            FULL + "tuples: [{axes: [combo, draft_llm], rows: [[ant+bee, m1], [ant+be, m1]]}]",
            "tuples[0].rows[1]: 'ant+be' is not a value of combo; did you mean 'ant+bee'?",
        ),
    ],
)
def test_what_contradicts_itself_is_reported_with_its_path(text, expected):
    found = problems(text)

    if expected is None:
        assert found == []
    else:
        assert len(found) == 1
        assert found[0].startswith(expected)


def test_only_what_is_much_alike_is_suggested():
    (problem,) = make("replicas: {draft: 2}").problems
    assert str(problem) == "replicas: unknown key; did you mean 'replicates'?"

    (problem,) = make("sample: {draft: {seed: 2}}").problems
    assert str(problem) == "sample: unknown key"


def test_keys_may_be_wrong_in_any_type():
    found = [str(problem) for problem in make("2: x\nnone: y\n1: z\n").problems]

    assert [problem.partition(":")[0] for problem in found] == ["[1]", "[2]", "none"]


def test_one_mistake_hides_no_other():
    """What is wrong leaves a gap, so that its neighbours are still looked at, by their number."""
    found = problems(
        FULL
        + """
ties: [[draft_llm, essay_lm], [draft_llm, draft_template]]
pairs:
  - {left: nothing, right: essay_llm, allowed: [[a, b]]}
  - {left: draft_llm, right: essay_llm, allowed: [[m1, 2], [m1, m3], [m1]]}
tuples: [{axes: [combo, model], rows: [[a, b]]}]
"""
    )

    assert [problem.partition(":")[0] for problem in found] == [
        "ties[0][1]",
        "pairs[0].left",
        "pairs[1].allowed[0][1]",
        "tuples[0].axes[1]",
        "ties[1]",
        "pairs[1].allowed[1]",
        "pairs[1].allowed[2]",
    ]


def test_what_is_wrong_in_a_list_moves_nothing_else_in_it():
    spec = make(
        """
axes:
  draft_llm: [a, b, c, d, e, f, g, h, i, 1, 2, j]
  combo: [{ant: bee}, [bee, bee], 3, [], [cod, cod]]
ties: [3, [draft_llm], {a: b}, [essay_llm]]
pairs: [[draft_llm], {left: combo}]
"""
    )

    assert spec.axes.draft_llm == ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]
    found = without_consequences(spec_problems(spec, SHIPPED), spec.problems)
    assert [str(problem).partition(":")[0] for problem in (*spec.problems, *found)] == [
        "axes.draft_llm[9]",
        "axes.draft_llm[10]",
        "axes.combo[0]",
        "axes.combo[2]",
        "ties[0]",
        "ties[2]",
        "pairs[0]",
        "axes.combo[1]",
        "axes.combo[3]",
        "axes.combo[4]",
        "ties[1]",
        "ties[3]",
        "pairs[1].right",
    ]


def test_what_follows_from_an_earlier_mistake_is_not_reported_again():
    spec = make(FULL.replace("draft_llm: [m1, m2]", "draft_llm: [1]") + "ties: [[draft_llm, x]]")
    store, catalog = permissive_catalog(make(FULL))

    with pytest.raises(CatalogError) as caught:
        make_plan(store, "c", spec, catalog, allow_missing=True)

    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "axes.draft_llm[0]",
        "ties[0][1]",
    ]


def test_what_is_wrong_with_all_parts_is_not_taken_for_missing():
    spec = make(FULL.replace("[[ant, bee], [bee, cod]]", "[3]"))
    store, catalog = permissive_catalog(make(FULL))

    with pytest.raises(CatalogError) as caught:
        make_plan(store, "c", spec, catalog, allow_missing=True)

    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["axes.combo[0]"]


def test_axes_of_tuples_that_are_there_twice_are_reported_where_they_are():
    found = problems(FULL + "tuples: [{axes: [combo, combo], rows: [[ant+bee, ant+bee]]}]")

    assert found[0] == "tuples[0].axes: 'combo' is there 2 times"


def test_files_that_are_wrong_are_reported_with_the_rest():
    found = problems(
        """
axes: {draft_llm: "@file:none.csv", essay_llm: 3}
pairs: [{left: draft_llm, right: combo, allowed: "@file:table.csv"}]
""",
        {"table.csv": "draft_llm,combi\nm1,ant\n"},
    )

    assert found[:3] == [
        "axes.draft_llm: none.csv is missing",
        "pairs[0].allowed: table.csv, line 1: no column combo",
        "axes.essay_llm: expected a list, found 3",
    ]


def test_a_specification_of_nothing_lacks_everything():
    spec = make("")
    store, catalog = permissive_catalog(make(FULL))

    with pytest.raises(CatalogError) as caught:
        make_plan(store, "c", spec, catalog, allow_missing=True)

    assert sorted(problem.partition(":")[0] for problem in caught.value.problems) == [
        "axes.combo",
        "axes.draft_template",
        "axes.essay_template",
        "axes.evaluation_template",
    ]


def test_balanced_pairs_are_those_that_are_coupled():
    pairs = Pairs("draft_llm", "essay_llm", [["a", "x"], ["a", "y"], ["b", "x"]], "both")

    assert pairs.rows == [["a", "y"], ["b", "x"]]
