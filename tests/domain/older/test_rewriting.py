"""Specifications of the older project say here what they said there."""

import pytest

from daydreaming_dagster.domain.cohort.spec import Pairs, Tuples
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.older.combinations import OlderCombination
from daydreaming_dagster.domain.older.rewriting import rewrite_spec
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.ports.older_data_root import OlderSpec

COMBOS = {
    "combo_1": OlderCombination(("bee", "ant"), ("sentence",)),
    "combo_2": OlderCombination(("cod",), ("sentence",)),
    "other_level": OlderCombination(("cod",), ("article",)),
}
AXES = {"draft_template": ["a", "b"], "essay_template": ["x", "y"]}
FILE = "@file:items.csv"
BUNDLE = {
    "bundle": {"axes": ["essay_template", "essay_llm"], "items": [["x", "big"], ["y", "big"]]}
}


def rewritten(axes, tables=None, **rules):
    def read_table(name):
        if name not in (tables or {}):
            raise CatalogError(name, (f"{name} is missing",))
        return tables[name]

    document = {"axes": axes, "rules": rules, "output": {"field_order": ["draft_template"]}}
    return rewrite_spec(OlderSpec("c1", document, read_table), COMBOS, SHIPPED)


def problems(axes, tables=None, **rules):
    with pytest.raises(CatalogError) as raised:
        rewritten(axes, tables, **rules)
    return "\n".join(raised.value.problems)


def test_a_combo_id_becomes_its_concepts_in_their_order_and_their_level():
    spec = rewritten({"combo_id": ["combo_1", "combo_2"]}, subsets={"combo_id": ["combo_1"]})

    assert spec.axes.combo == [["bee", "ant"], ["cod"]]
    assert spec.description_level == "sentence"
    assert spec.subsets == {"combo": ["bee+ant"]}


def test_an_axis_of_replicates_becomes_their_number_and_other_stages_have_one():
    spec = rewritten({**AXES, "draft_template_replicate": ["1", 2], "essay_replicate": ["1"]})

    assert spec.replicates == {"draft": 2, "essay": 1, "evaluation": 1}


def test_a_subset_of_replicates_lowers_their_number():
    axes = {**AXES, "draft_replicate": [1, 2, 3]}

    assert rewritten(axes, subsets={"draft_replicate": [1, 2]}).replicates["draft"] == 2


def test_ties_leave_the_values_that_their_axes_have_in_common():
    axes = {"draft_llm": ["p", "q"], "essay_llm": ["q", "r"], "evaluation_llm": ["p", "q", "r"]}

    spec = rewritten(
        axes,
        ties={"one": {"axes": ["draft_llm", "essay_llm"]}},
        pairs={
            "e": {
                "left": "draft_llm",
                "right": "evaluation_llm",
                "allowed": [["p", "p"], ["q", "r"]],
            }
        },
    )

    assert spec.values("draft_llm") == spec.values("essay_llm") == ["q"]
    assert spec.ties == [["draft_llm", "essay_llm"]]
    assert spec.pairs == [Pairs("draft_llm", "evaluation_llm", [["q", "r"]])]


def test_a_pair_with_a_tuple_becomes_a_tuple_of_all_their_axes():
    pair = {"left": "draft_template", "right": "bundle", "allowed": [["a", ["y", "big"]]]}

    spec = rewritten({"draft_template": ["a"]}, tuples=BUNDLE, pairs={"one": pair})

    assert spec.tuples == [
        Tuples(["essay_template", "essay_llm"], [["x", "big"], ["y", "big"]]),
        Tuples(["draft_template", "essay_template", "essay_llm"], [["a", "y", "big"]]),
    ]


def test_a_file_gives_columns_by_name_and_a_list_its_first_column():
    tables = {
        "items/list.csv": [["anything", "note"], ["a", ""], ["b", ""]],
        "pairs.csv": [["essay_template", "draft_template"], ["x", "a"]],
    }
    axes = {"draft_template": "@file:items/list.csv", "essay_template": ["x"]}
    pair = {"left": "draft_template", "right": "essay_template", "allowed": "@file:pairs.csv"}

    spec = rewritten(axes, tables, pairs={"one": pair})

    assert spec.values("draft_template") == ["a", "b"]
    assert spec.pairs[0].allowed == [["a", "x"]]


def test_balanced_pairs_are_kept_as_they_are():
    rows = [["a", "x"], ["b", "y"]]
    pair = {"left": "draft_template", "right": "essay_template", "allowed": rows}

    spec = rewritten(AXES, pairs={"one": {**pair, "balance": "both"}})

    assert spec.pairs == [Pairs("draft_template", "essay_template", rows)]


PAIR = {"left": "draft_template", "right": "essay_template"}


@pytest.mark.parametrize(
    ("axes", "rules", "said"),
    [
        ({"draft_templat": ["a"]}, {}, "axes.draft_templat: there is no axis 'draft_templat'; did"),
        ({"combo_id": ["combo_9"]}, {}, "axes.combo_id[0]: 'combo_9' cannot be rewritten"),
        ({"combo_id": ["combo_1", "other_level"]}, {}, "axes.combo_id: its combinations have"),
        ({"draft_template": "@file:gone.csv"}, {}, "axes.draft_template: gone.csv is missing"),
        ({"draft_template": "a"}, {}, "axes.draft_template: expected a list, or @file:"),
        ({"draft_replicate": ["2"]}, {}, "axes.draft replicates: expected 1, 2, … in all, found 2"),
        (AXES, {"orders": {}}, "rules.orders: unknown key"),
        (
            AXES,
            {
                "pairs": {
                    "p": {
                        **PAIR,
                        "allowed": [["a", "x"], ["a", "y"], ["b", "y"]],
                        "balance": "left",
                    }
                }
            },
            "rules.pairs.p.balance: the left values do not occur equally often: a 2 times, b 1",
        ),
        (
            AXES,
            {"pairs": {"p": {**PAIR, "allowed": [["a", "x"]], "balance": "most"}}},
            "rules.pairs.p.balance: expected left, right or both, found 'most'",
        ),
        (
            AXES,
            {"pairs": {"p": {**PAIR, "allowed": [["a"]]}}},
            "rules.pairs.p.allowed[0]: expected",
        ),
        (
            {"draft_template": ["a"]},
            {
                "tuples": BUNDLE,
                "pairs": {"p": {**PAIR, "right": "bundle", "allowed": [["a", ["z", "big"]]]}},
            },
            "rules.pairs.p.allowed[0]: ['z', 'big'] is not an item of the tuple 'bundle'",
        ),
        (AXES, {"pairs": {"p": {**PAIR, "allowed": [["a", "z"]]}}}, "'z' is not a value of essay"),
        (
            AXES,
            {"ties": {"t": {"axes": ["draft_template", "essay_template"]}}},
            "rules.ties.t: its axes have no value in common",
        ),
        (
            {**AXES, "draft_replicate": ["1"]},
            {"ties": {"t": {"axes": ["draft_replicate", "draft_template"]}}},
            "rules.ties.t.axes[0]: draft_replicate cannot be in such a rule here",
        ),
    ],
)
def test_what_cannot_be_rewritten_is_an_error_with_its_place(axes, rules, said):
    assert said in problems(axes, **rules)


@pytest.mark.parametrize(
    ("axes", "tables", "rules", "expected"),
    [
        (
            {**AXES, "draft_replicate": [1], "draft_template_replicate": [1]},
            None,
            {},
            "the replicates of draft are given twice",
        ),
        ({"draft_template": []}, None, {}, "empty; leave it out, or list values"),
        ({"draft_templates": ["a"]}, None, {}, "no axis 'draft_templates'; did you mean"),
        ({"draft_template": [True]}, None, {}, "expected a text, found True"),
        (AXES, None, {"tuples": {"t": {"axes": "draft_template"}}}, "expected a list of axes"),
        (AXES, None, {"tuples": {"t": {"axis": []}}}, "axis: unknown key; known are axes, items"),
        (AXES, None, {"tuples": {"t": {3: []}}}, "expected a text as a key, found 3"),
        (AXES, None, {"tuples": {"t": []}}, "expected keys with values"),
        (
            AXES,
            None,
            {"tuples": {"draft_template": {"axes": ["essay_template"], "items": [["x"]]}}},
            "'draft_template' is an axis too; give the tuple another name",
        ),
        (
            {**AXES, "draft_replicate": [1, 2]},
            None,
            {"subsets": {"draft_replicate": [3]}},
            "'3' is not a value of draft_replicate",
        ),
        (
            {**AXES, "draft_replicate": [1, 2]},
            None,
            {"pairs": {"p": {"left": "draft_replicate", "right": "essay_template"}}},
            "replicates do not depend on other axes",
        ),
        (
            AXES,
            None,
            {"pairs": {"p": {"left": ["draft_template"], "right": "essay_template"}}},
            "expected the name of an axis or of a tuple",
        ),
        (
            {"draft_llm": ["p", "q"], "essay_llm": ["q", "r"]},
            None,
            {
                "ties": {"one": {"axes": ["draft_llm", "essay_llm"]}},
                "subsets": {"draft_llm": ["p"]},
            },
            "the ties leave none of its rows",
        ),
        (
            AXES,
            {"items.csv": [["one", "two", "three"], ["a", "x", "z"]]},
            {"tuples": {"t": {"axes": ["draft_template", "essay_template"], "items": FILE}}},
            "expected the columns draft_template, essay_template; the file has one, two, three",
        ),
        ({"draft_template": "@file:gone.csv"}, None, {}, "gone.csv is missing"),
    ],
)
def test_what_cannot_be_rewritten_is_told_with_its_place(axes, tables, rules, expected):
    assert expected in problems(axes, tables, **rules)


def test_a_pair_of_tuples_may_have_its_cells_in_one_row():
    pair = {"left": "draft_template", "right": "bundle", "allowed": [["a", "y", "big"]]}

    spec = rewritten({"draft_template": ["a", "b"]}, tuples=BUNDLE, pairs={"p": pair})

    (tuples,) = [one for one in spec.tuples if "draft_template" in one.axes]
    assert tuples.rows == [["a", "y", "big"]]


@pytest.mark.parametrize(
    ("combination", "problem"),
    [
        (OlderCombination(("a", "b"), ("sentence", "article")), "several description levels"),
        (OlderCombination(("a", "a"), ("sentence",)), "it names a concept twice"),
        (OlderCombination(("a", "b"), ("sentence",)), None),
    ],
)
def test_a_combination_that_has_no_counterpart_says_why(combination, problem):
    assert combination.problem == problem or problem in combination.problem
