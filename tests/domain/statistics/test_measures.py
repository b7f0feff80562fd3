"""Numbers from few values, checked against scipy, statsmodels and by hand."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from daydreaming_dagster.domain.statistics.equating import equate
from daydreaming_dagster.domain.statistics.judgments import JudgmentsError
from daydreaming_dagster.domain.statistics.measures import (
    Measure,
    correlation_of,
    difference_of,
    mean_of,
    share_of,
    slope_of,
    standardised,
    ties_of,
)

RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(2, 30))


def bounds(measure):
    return measure.low, measure.high


def test_means_differences_shares_correlations_and_slopes_are_those_of_scipy_and_statsmodels():
    interval = stats.ttest_1samp(X, 0).confidence_interval()
    assert bounds(mean_of(X)) == pytest.approx((interval.low, interval.high))
    interval = stats.ttest_ind(X[:12], Y, equal_var=False).confidence_interval()
    assert bounds(difference_of(X[:12], Y)) == pytest.approx((interval.low, interval.high))
    assert bounds(share_of(3, 17)) == pytest.approx(proportion_confint(3, 17, method="wilson"))
    interval = stats.pearsonr(X, Y).confidence_interval()
    assert bounds(correlation_of(X, Y)) == pytest.approx((interval.low, interval.high))
    fit = stats.linregress(X, Y)
    margin = stats.t.ppf(0.975, 28) * fit.stderr
    assert bounds(slope_of(X, Y)) == pytest.approx((fit.slope - margin, fit.slope + margin))


def test_ties_count_pairs_and_their_jackknife_leaves_each_value_out():
    values = np.array([1.0, 1.0, 1.0, 2.0, 3.0, 3.0])

    def share(kept):
        pairs = [(a, b) for place, a in enumerate(kept) for b in kept[:place]]
        return sum(a == b for a, b in pairs) / len(pairs)

    without = np.array([share(np.delete(values, place)) for place in range(6)])
    error = np.sqrt(5 / 6 * ((without - without.mean()) ** 2).sum())
    found = ties_of([[value] for value in values])
    assert found.value == pytest.approx(share(values))
    assert found.high == pytest.approx(share(values) + 1.959964 * error)
    assert found.low >= 0


def test_ties_are_those_of_single_scores_and_not_of_their_means():
    scores = [[1.0, 2.0], [2.0, 1.0], [3.0], [2.0, 3.0]]

    pairs = [
        np.mean([a == b for a in scores[one] for b in scores[other]])
        for one in range(4)
        for other in range(one)
    ]
    found = ties_of(scores)
    assert found.value == pytest.approx(np.mean(pairs))
    assert found.low < found.value < found.high < 1


def test_what_does_not_vary_has_no_interval():
    line = np.array([1.0, 2.0, 3.0, 4.0])

    assert correlation_of(line, -2 * line) == Measure(-1.0, None, None, 4)
    assert slope_of(line, 2 * line) == Measure(2.0, None, None, 4)
    assert ties_of([[1.0], [2.0], [3.0]]) == Measure(0.0, None, None, 3)
    assert ties_of([[9.0]] * 5) == Measure(1.0, None, None, 5)
    assert ties_of([[9.0]] * 9 + [[1.0]]).high == 1


def test_too_few_values_or_none_that_differ_say_nothing():
    one, same = np.ones(1), np.ones(9)

    assert mean_of(one) == difference_of(one, one[:0]) == ties_of([one]) == Measure(n=1)
    assert correlation_of(same, X[:9]) == slope_of(same, X[:9]) == Measure(n=9)
    assert share_of(0, 0) == slope_of(X[:0], X[:0]) == Measure()
    assert difference_of(same, same + 1) == Measure(-1.0, None, None, 18)
    assert standardised(same).tolist() == [0.0] * 9


def test_a_new_judge_is_brought_to_the_scale_of_the_old_one():
    truth = RNG.normal(size=60)
    old, new = 5 + truth, 50 + 20 * (truth + RNG.normal(scale=0.3, size=60))
    line = equate(old, new)

    equated = line(new)
    assert equated.mean() == pytest.approx(old.mean())
    assert equated.std() == pytest.approx(old.std())
    assert 0.2 < line.error < 0.4
    assert equate(old, 2 * old).slope == pytest.approx(0.5)
    assert line.correlation.low > 0.8


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (X[:19], X[:19], "both judges scored 19 texts; let them score at least 20"),
        (X, np.ones(30), "one of the judges gave every text the same score"),
        (X, Y, "they do not measure the same"),
        (X, -X, "they correlate by -1.00"),
    ],
)
def test_judges_that_cannot_be_equated_are_refused(old, new, said):
    with pytest.raises(JudgmentsError, match=said):
        equate(old, new)
