"""Which rows couplings leave, against the plain product with every row checked."""

from collections import Counter
from itertools import product
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from daydreaming_dagster.domain.cohort.couplings import (
    Coupling,
    balanced,
    extensions,
)
from daydreaming_dagster.domain.shipped_stages import SHIPPED

values = st.fixed_dictionaries(
    {
        axis: st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True)
        for axis in SHIPPED.axes
    }
)
couplings = st.lists(
    st.lists(st.sampled_from(SHIPPED.axes), min_size=1, max_size=4, unique=True).flatmap(
        lambda axes: st.builds(
            Coupling.of,
            st.just(SHIPPED),
            st.just(axes),
            st.lists(st.tuples(*[st.sampled_from("abc")] * len(axes)), min_size=1, max_size=12),
        )
    ),
    max_size=3,
)


def assignments(values, couplings):
    rows = [{}]
    for axis in SHIPPED.axes:
        rows = [longer for row in rows for longer in extensions(row, axis, values[axis], couplings)]
    return [tuple(row.values()) for row in rows]


@settings(max_examples=50)
@given(values, couplings)
def test_what_is_left_is_the_product_without_what_any_coupling_forbids(values, couplings):
    def allowed(row):
        value_of = dict(zip(SHIPPED.axes, row, strict=True))
        return all(
            tuple(value_of[axis] for axis in coupling.axes) in coupling.rows
            for coupling in couplings
        )

    expected = [row for row in product(*(values[axis] for axis in SHIPPED.axes)) if allowed(row)]

    assert assignments(values, couplings) == expected


def test_a_few_rows_of_long_axes_are_found_without_their_product():
    long = {axis: [str(i) for i in range(100)] for axis in SHIPPED.axes}
    diagonal = Coupling.of(
        SHIPPED, SHIPPED.axes, [[str(i)] * len(SHIPPED.axes) for i in range(100)]
    )

    assert len(assignments(long, [diagonal])) == 100  # of 10^14


def test_axes_may_be_named_in_any_order():
    forwards = Coupling.of(SHIPPED, ["draft_llm", "essay_llm"], [["a", "b"]])

    assert Coupling.of(SHIPPED, ["essay_llm", "draft_llm"], [["b", "a"]]) == forwards
    assert Coupling.of(SHIPPED, ["essay_llm", "draft_llm"], [["a", "b"]]) != forwards


def test_an_axis_that_a_row_does_not_have_restricts_nothing_but_by_what_it_goes_with():
    coupling = Coupling.of(SHIPPED, ["draft_llm", "essay_llm"], [["a", "b"], ["b", "b"]])

    assert coupling.allows({"combo": "x"})
    assert coupling.allows({"essay_llm": "b"})
    assert not coupling.allows({"essay_llm": "a"})


pairs = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from("vwxyz")), min_size=1, unique=True
)


# Three on the left compete for two on the right: the search for a free one must come to an end.
@example([*product("abc", "xy"), *product("d", "xzw")], "both", Random(0))
@given(pairs, st.sampled_from(["left", "right", "both"]), st.randoms())
def test_what_is_balanced_has_each_value_equally_often_in_whatever_order(pairs, balance, random):
    chosen = balanced(pairs, balance)

    if chosen is not None:
        assert set(chosen) <= set(pairs)
        for side, name in enumerate(("left", "right")):
            if balance in (name, "both"):
                counts = Counter(pair[side] for pair in chosen)
                assert set(counts) == {pair[side] for pair in pairs}
                assert len(set(counts.values())) == 1
    shuffled = random.sample(pairs, len(pairs))
    assert balanced(shuffled, balance) == chosen


@given(pairs)
def test_no_more_pairs_can_be_balanced_than_are(pairs):
    """Against every choice of pairs."""
    pairs = sorted(pairs)[:9]

    def is_balanced(chosen):
        counts = [Counter(pair[side] for pair in chosen) for side in (0, 1)]
        return all(
            set(counts[side]) == {pair[side] for pair in pairs}
            and len(set(counts[side].values())) == 1
            for side in (0, 1)
        )

    choices = (
        [pair for pair, taken in zip(pairs, mask, strict=True) if taken]
        for mask in product([False, True], repeat=len(pairs))
    )
    most = max((len(chosen) for chosen in choices if is_balanced(chosen)), default=None)

    chosen = balanced(pairs, "both")

    assert (None if chosen is None else len(chosen)) == most


@pytest.mark.parametrize(
    ("pairs", "balance", "chosen"),
    [
        # a gives way to b, which has no other.
        (["ax", "ay", "bx"], "both", ["ay", "bx"]),
        # a takes y although b has it already.
        (["ax", "ay", "by", "bz"], "left", ["ax", "ay", "by", "bz"]),
        # b leaves x to a, though it need not.
        (["ax", "bx", "by"], "left", ["ax", "by"]),
        # Twice each does not work, and once each does.
        (["ax", "ay", "bx", "by", "cx", "cy", "cz"], "both", ["ax", "by", "cz"]),
        # Three times each gives no whole number on the right, and twice each does.
        (["aw", "ax", "ay", "bw", "bx", "bz"], "both", ["aw", "ay", "bx", "bz"]),
        ([], "left", None),
        ([], "right", None),
        ([], "both", None),
    ],
)
def test_the_most_that_can_be_balanced_is_chosen(pairs, balance, chosen):
    found = balanced([tuple(pair) for pair in pairs], balance)

    assert found == (None if chosen is None else [tuple(pair) for pair in chosen])


def test_a_side_that_need_not_be_balanced_may_lack_values_or_have_some_more_often():
    allowed = [("a", "x"), ("a", "y"), ("a", "z"), ("b", "x")]

    assert [left for left, _ in balanced(allowed, "left")] == ["a", "b"]
    assert sorted(right for _, right in balanced(allowed, "right")) == ["x", "y", "z"]
    assert balanced(allowed, "both") is None
