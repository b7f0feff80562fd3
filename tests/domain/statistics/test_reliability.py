"""The correlation of two scores of the same item."""

import numpy as np
import pytest

from daydreaming_dagster.domain.statistics.judgments import make_scores
from daydreaming_dagster.domain.statistics.reliability import (
    adjusted_icc,
    one_way_icc,
    replicate_weights,
    single_score_icc,
)

SHROUT_AND_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)


def test_the_correlations_are_those_of_shrout_and_fleiss():
    item, judge = np.indices(SHROUT_AND_FLEISS.shape).reshape(2, -1)
    scores = make_scores(
        list(map(str, item)), list(map(str, judge)), list(SHROUT_AND_FLEISS.ravel())
    )
    centred = SHROUT_AND_FLEISS - SHROUT_AND_FLEISS.mean(axis=0)

    one_way = one_way_icc(scores)
    adjusted = adjusted_icc(item, centred.ravel(), items=6, judges=4)

    assert (one_way.value, one_way.mean) == pytest.approx((0.17, 0.44), abs=0.005)
    assert (adjusted.value, adjusted.mean) == pytest.approx((0.71, 0.91), abs=0.005)
    # McGraw and Wong (1996) give these intervals for the same scores.
    assert (one_way.low, one_way.high) == pytest.approx((-0.13, 0.72), abs=0.005)
    assert (adjusted.low, adjusted.high) == pytest.approx((0.34, 0.95), abs=0.005)


def test_one_score_per_item_says_nothing_of_reliability():
    icc = one_way_icc(make_scores(["a", "b"], ["j", "j"], [1.0, 2.0]))

    assert np.isnan([icc.value, icc.low, icc.high, icc.mean]).all()


def unequal(counts, seed=1):
    rng = np.random.default_rng(seed)
    item = np.repeat(np.arange(len(counts)), counts)
    score = rng.standard_normal(len(counts))[item] + rng.standard_normal(len(item))
    return make_scores(list(map(str, item)), ["j"] * len(item), list(score))


def known_icc(scores):
    icc = single_score_icc(scores)
    assert icc is not None
    return icc


def test_with_equal_numbers_of_scores_the_correlation_is_that_of_the_analysis_of_variance():
    scores = unequal([3] * 12)
    same = one_way_icc(scores)

    assert single_score_icc(scores) == (same.value, same.low, same.high)


@pytest.mark.parametrize("counts", [[1, 2, 3, 4, 5] * 4, [1] * 10 + [25, 30], [2] * 15 + [1]])
def test_with_unequal_numbers_it_is_that_of_restricted_likelihood(counts):
    mixed = pytest.importorskip("statsmodels.regression.mixed_linear_model")
    scores = unequal(counts, seed=3)

    fit = mixed.MixedLM(scores.score, np.ones(len(scores.score)), scores.item.codes).fit()

    between, within = float(fit.cov_re[0, 0]), float(fit.scale)
    found = known_icc(scores)
    assert found.value == pytest.approx(between / (between + within), abs=0.002)
    assert found.low < found.value < found.high


def test_the_interval_of_unequal_numbers_covers():
    rng = np.random.default_rng(5)
    counts = [1, 1, 1, 2, 2, 4, 8, 20] * 3

    found = [known_icc(unequal(counts, seed)) for seed in rng.integers(10**9, size=200)]

    assert 183 <= sum(icc.low <= 0.5 <= icc.high for icc in found) <= 199


def test_unequal_numbers_that_nothing_shows_or_that_all_agree():
    same = make_scores(["a", "a", "b"], ["j"] * 3, [1.0, 1.0, 1.0])
    agreed = make_scores(["a", "a", "b", "c"], ["j"] * 4, [1.0, 1.0, 2.0, 4.0])

    assert single_score_icc(same) is None
    icc = known_icc(agreed)
    assert 0.5 < icc.value < 1, "they agreed once, which is not for ever"
    assert replicate_weights(agreed) == pytest.approx([0.5, 0.5, 1, 1])


def test_replicates_count_as_far_as_they_are_independent():
    every, equal = unequal([1, 1, 1, 1, 1, 50]), unequal([4] * 6)

    weights = replicate_weights(every)

    assert list(replicate_weights(equal)) == [1.0] * 24
    assert set(weights[:5]) == {1.0}
    assert 1 / 50 < weights[-1] < 1
    alone = make_scores(["a", "a", "b"], ["j", "j", "k"], [1.0, 2.0, 3.0])
    assert replicate_weights(alone) == pytest.approx([0.5, 0.5, 1.0])


@pytest.mark.parametrize("given", ["aabb", "aab", "aabbccd"])
def test_items_of_one_mean_have_a_negative_correlation_that_nothing_bounds(given):
    """An item judged twice got 1 and 3, one judged once 2. A correlation below -1 is none."""
    scores = [
        2.0 if given.count(item) == 1 else 1.0 + 2 * place % 4 for place, item in enumerate(given)
    ]

    icc = one_way_icc(make_scores(given, ["j"] * len(given), scores))

    assert -1 <= icc.value < 0
    assert np.isnan([icc.low, icc.high, icc.mean]).all()


@pytest.mark.parametrize(("more", "is_bounded"), [(0.1, False), (0.5, True)])
def test_no_bound_of_a_correlation_is_below_minus_one(more, is_bounded):
    icc = one_way_icc(make_scores("aabc", "jkjj", [1.0, 3.0, 2.0 + more, 2.0 - more]))

    assert icc.value == -1
    assert np.isfinite([icc.low, icc.high, icc.mean]).all() == is_bounded
    assert not is_bounded or icc.low == icc.mean == -1 < icc.high
