"""Judgments that agree exactly are not taken as certain."""

import numpy as np
import pytest

from daydreaming_dagster.domain.statistics.agreement import least_variance, smallest_step
from daydreaming_dagster.domain.statistics.analysis import analyse_scores
from daydreaming_dagster.domain.statistics.judge_model import fit_scores
from daydreaming_dagster.domain.statistics.judgments import make_scores
from daydreaming_dagster.domain.statistics.reliability import one_way_icc

VALUES = {"a": 1.0, "b": 2.0, "c": 5.0}


def judged(values, judges, replicates, severity=0.0):
    rows = [
        (item, f"j{judge}", value + severity * judge)
        for item, value in values.items()
        for judge in range(judges)
        for _ in range(replicates)
    ]
    return make_scores(*zip(*rows, strict=True))


def test_the_step_of_a_scale_is_the_smallest_difference_that_is_seen():
    assert smallest_step([3, 1, 1, 8]) == 2
    assert smallest_step([0.1 + 0.2, 0.3, 0.7]) == pytest.approx(0.4)
    assert smallest_step([4, 4]) is None
    assert smallest_step([0.7, 0.1 * 7]) is None  # they differ by rounding
    assert smallest_step([]) is None


def test_the_least_variance_is_the_mean_over_what_a_next_judgment_may_be():
    """A difference has probability p, uniform before `n` agreements: then p is Beta(1, n + 1)."""
    step, repeats = 2.0, 6
    rng = np.random.default_rng(1)
    differs = rng.random(1_000_000) < rng.beta(1, repeats + 1, 1_000_000)

    half_squared = ((step * differs) ** 2).mean() / 2

    assert least_variance(step, repeats) == pytest.approx(half_squared, rel=0.01)


@pytest.mark.parametrize(("judges", "replicates"), [(1, 2), (2, 1), (3, 2)])
@pytest.mark.parametrize("severity", [0.0, 0.5])
def test_judges_that_agree_leave_doubt_that_more_of_them_take_away(judges, replicates, severity):
    few = fit_scores(judged(VALUES, judges, replicates, severity))
    many = fit_scores(judged(VALUES, judges, 20 * replicates, severity))

    for fit in (few, many):
        low, high = fit.interval()
        assert fit.agreed
        assert (low < fit.estimate).all()
        assert (fit.estimate < high).all()
    if judges == 1:
        assert (many.covariance.variances() < few.covariance.variances()).all()


def test_means_that_agree_though_what_they_are_made_of_does_not_are_as_sure_as_that():
    """Two judges give each item its value and one more and less, by which they differ."""
    rows = [
        (item, judge, value + more)
        for item, value in {"a": 1.0, "b": 1.1, "c": 5.0}.items()
        for judge in "jk"
        for more in (-1.0, 1.0)
    ]

    fit = fit_scores(make_scores(*zip(*rows, strict=True)))

    assert not fit.agreed
    assert fit.noise == pytest.approx([1.0, 1.0])  # the variance of a score is 2, of its cell 1


def test_an_icc_of_scores_that_agree_has_an_interval():
    few, many = (one_way_icc(judged(VALUES, 1, replicates)) for replicates in (2, 40))

    assert few.low < few.value < few.high < 1
    assert few.low < many.low < many.value < 1


def test_the_analysis_says_that_it_allows_for_differences_that_were_not_seen():
    agreed = analyse_scores(judged(VALUES, 1, 2)).notes
    differs = analyse_scores(make_scores(list("aabbcc"), ["j"] * 6, [1, 1, 2, 2, 5, 6])).notes

    assert any("agree exactly" in note for note in agreed)
    assert not any("agree exactly" in note for note in differs)
