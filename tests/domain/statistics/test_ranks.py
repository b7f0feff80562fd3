"""Bands of ranks, and who is probably the best."""

import numpy as np
import pytest
from scipy.stats import norm, studentized_range

from daydreaming_dagster.domain.statistics.covariance import Covariance
from daydreaming_dagster.domain.statistics.ranks import (
    Part,
    best_of_estimates,
    best_of_posterior,
    rank_bands,
    studentized_range_quantile,
)


@pytest.mark.parametrize(("count", "df"), [(2, 9), (10, 20), (5, 1), (40, 3), (200, 400)])
def test_the_studentized_range_is_that_of_scipy(count, df):
    expected = studentized_range.ppf(0.95, count, df)
    assert studentized_range_quantile(0.95, count, df) == pytest.approx(expected, rel=1e-4)


def test_bands_keep_apart_only_what_is_certainly_different():
    covariance = Covariance.dense(np.eye(4) * 0.5**2)

    bands = rank_bands(np.array([0.0, 0.1, 5.0, 1.0]), covariance)

    assert bands.low.tolist() == [2, 2, 1, 2]
    assert bands.high.tolist() == [4, 4, 1, 4]


def test_the_variance_of_a_difference_is_the_same_from_both_forms():
    rng = np.random.default_rng(1)
    left = rng.standard_normal((5, 2))
    structured = Covariance(np.arange(1.0, 6.0), left, left)
    dense = Covariance.dense(np.diag(np.arange(1.0, 6.0)) + left @ left.T)

    assert structured.variances() == pytest.approx(dense.variances())
    assert structured.difference_variances(1, 4) == pytest.approx(dense.difference_variances(1, 4))


def independent(count, variance):
    return Covariance.independent(np.full(count, variance))


def test_the_best_probabilities_add_up_and_favour_the_better():
    best = best_of_estimates(np.array([0.0, 1.0, 3.0, 0.5]), independent(4, 0.5), top=2)

    assert best.best.sum() == pytest.approx(1)
    assert best.among_top.sum() == pytest.approx(2)
    assert best.best.argmax() == 2
    assert best.best[2] < 0.99


def test_estimates_that_differ_by_noise_alone_leave_all_about_the_same_chance():
    rng = np.random.default_rng(2)

    best = best_of_estimates(rng.standard_normal(50) * 0.3, independent(50, 1.0), top=3)

    assert best.best.max() < 0.05


def test_the_probability_of_being_best_averages_over_a_variance_that_few_scores_show():
    estimate, df = np.array([0.0, 0.3, 1.5]), 2
    rng = np.random.default_rng(0)
    # Draws from the prior, weighted by their likelihood; the common mean is integrated out.
    noise = 0.09 * df / rng.chisquare(df, 400_000)
    spread = 2 * np.sqrt(noise) * np.abs(rng.standard_t(2, 400_000))
    total = spread**2 + noise
    misfit = ((estimate - estimate.mean()) ** 2).sum() / total
    weight = total ** (-(len(estimate) - 1) / 2) * np.exp(-misfit / 2)
    weight *= spread < 4 * estimate.std()
    shrunk = spread**2 / total
    centre = estimate.mean() + np.sqrt(total / 3) * rng.standard_normal(400_000)
    true = centre[:, None] + shrunk[:, None] * (estimate - centre[:, None])
    true += np.sqrt(shrunk * noise)[:, None] * rng.standard_normal((400_000, 3))
    exact = [weight[true.argmax(axis=1) == item].sum() / weight.sum() for item in range(3)]

    best = best_of_estimates(estimate, independent(3, 0.09), top=2, df=df)

    assert best.best == pytest.approx(exact, abs=0.02)
    known = best_of_estimates(estimate, independent(3, 0.09), top=2)
    assert known.best[2] > best.best[2] + 0.05


def test_errors_that_all_estimates_share_leave_the_best_as_probable():
    estimate = np.array([0.0, 0.4, 1.0, 0.2])
    alone = best_of_estimates(estimate, independent(4, 0.1), top=1)

    shared = best_of_estimates(estimate, Covariance.dense(0.1 * np.eye(4) + 5.0), top=1)

    assert shared.best == pytest.approx(alone.best, abs=0.03)


def test_errors_that_two_estimates_share_tell_which_of_them_is_better():
    together = 0.3 * np.array([[1.0, 0.99, 0.0], [0.99, 1.0, 0.0], [0.0, 0.0, 1.0]])

    best = best_of_estimates(np.array([1.0, 0.8, -1.0]), Covariance.dense(together), top=1)

    assert best.best[0] > 5 * best.best[1]


def test_with_very_many_items_the_best_is_nearly_as_probable_as_from_joint_errors():
    estimate = np.append(np.linspace(-1, 1, 1000), 2.5)
    few = best_of_estimates(estimate[1:], Covariance.dense(0.2 * np.eye(1000) + 3.0), top=3)

    many = best_of_estimates(estimate, Covariance.dense(0.2 * np.eye(1001) + 3.0), top=3)

    assert many.best[-1] == pytest.approx(few.best[-1], abs=0.05)
    assert many.best.sum() == pytest.approx(1)


def test_the_best_of_a_posterior_uses_its_correlations():
    together = np.array([[1.0, 0.999, 0.0], [0.999, 1.0, 0.0], [0.0, 0.0, 1.0]])

    best = best_of_posterior([Part(1.0, np.array([0.2, 0, 0]), Covariance.dense(together))], top=1)

    assert best.best[0] > 10 * best.best[1]


def test_the_best_of_a_mixture_is_that_of_its_parts_by_their_weights():
    mean = np.array([1.0, 0.0])
    sure, unsure = (Covariance.dense(np.eye(2) * variance / 2) for variance in (0.1, 10.0))

    best = best_of_posterior([Part(0.25, mean, sure), Part(0.75, mean, unsure)], top=1)

    exact = 0.25 * norm.cdf(1 / np.sqrt(0.1)) + 0.75 * norm.cdf(1 / np.sqrt(10))
    assert best.best[0] == pytest.approx(exact, abs=0.02)
