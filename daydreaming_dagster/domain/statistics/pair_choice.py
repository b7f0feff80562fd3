"""Which pairs to compare next: those that tell most about the order of the first places."""

from typing import Final

import attrs
import numpy as np

from daydreaming_dagster.domain.statistics.bradley_terry import DuelFit
from daydreaming_dagster.domain.statistics.judgments import Floats, Indices
from daydreaming_dagster.domain.statistics.score_evidence import ScoreEvidence

_DRAWS: Final = 512
_LOGISTIC_VARIANCE: Final = 8 / np.pi
"""Of the normal distribution whose density at 0 is that of the logistic one."""


@attrs.frozen
class Belief:
    """What is known of the strengths: a normal distribution."""

    mean: Floats
    covariance: Floats


def believe(items: int, fit: DuelFit | None, evidence: ScoreEvidence | None) -> Belief:
    """Return what duels and scores say of the strengths; before any duel, scores alone."""
    if fit is None:
        mean = np.zeros(items) if evidence is None else evidence.expected
        return Belief(mean, np.eye(items))
    return Belief(fit.strength, fit.covariance.left)


def pairs_in_doubt(belief: Belief, left: Indices, count: int, top: int, seed: int) -> Indices:
    """Return pairs of items to compare, the most useful first, each in the order to be shown.

    They make differences between strengths known that matter: those of two items that may both be
    among the first `top` and the next one, and may be equal. The weight of a difference is the
    probability of the former, from draws, times the density of its being 0. A duel is chosen if it
    is expected to lower the weighted sum of the variances of all differences most, given those that
    were chosen before: a Bayesian A-optimal design, as in Chaloner and Verdinelli, "Bayesian
    experimental design: a review", Statistical Science 10 (1995).

    The choice depends on answers alone, so the posterior of `fit_duels` needs no correction for it.

    Args:
        belief: What is known.
        left: How many duels of each two items can be made, in either order: a symmetric matrix.
        count: How many pairs are wanted; fewer are returned if fewer are left.
        top: About how many first places are to be told apart.
        seed: Of the draws, and of which item is shown first.
    """
    rng = np.random.default_rng([seed, count])
    items, left = len(belief.mean), np.triu(left, 1)
    ahead = belief.mean[:, None] - belief.mean[None, :]
    covariance = belief.covariance.copy()
    weights = _weights(belief, ahead, min(top + 1, items), rng)
    laplacian = np.diag(weights.sum(axis=1)) - weights
    told = covariance @ laplacian @ covariance
    found: list[tuple[int, int]] = []
    for _ in range(min(count, int(left.sum()))):
        certainty = _certainty(ahead, _differences(covariance))
        value = np.where(left > 0, _differences(told) * certainty, -np.inf)
        one, other = map(int, np.unravel_index(np.argmax(value), value.shape))
        left[one, other] -= 1
        found.append((one, other) if rng.random() < 0.5 else (other, one))  # noqa: PLR2004  a coin
        # Less of the covariance: by `gain` times the outer product of `shared`.
        gain = certainty[one, other]
        shared, crossed = covariance[:, one] - covariance[:, other], told[:, one] - told[:, other]
        covariance -= gain * np.outer(shared, shared)
        mixed = np.outer(shared, crossed)
        square = float(shared @ laplacian @ shared)
        told += gain**2 * square * np.outer(shared, shared) - gain * (mixed + mixed.T)
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def _weights(belief: Belief, ahead: Floats, places: int, rng: np.random.Generator) -> Floats:
    """Return how much it matters to know the difference of each two items."""
    items = len(belief.mean)
    values, vectors = np.linalg.eigh(belief.covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    draws = belief.mean + rng.standard_normal((_DRAWS, items)) @ root.T
    among = np.zeros((_DRAWS, items))
    np.put_along_axis(among, np.argsort(-draws, axis=1)[:, :places], 1.0, axis=1)
    variance = _differences(belief.covariance)
    weights = among.T @ among * np.exp(-(ahead**2) / (2 * variance)) / np.sqrt(variance)
    np.fill_diagonal(weights, 0.0)
    return np.asarray(weights)


def _differences(matrix: Floats) -> Floats:
    """Return the variance of the difference of each two items."""
    own = np.diagonal(matrix)
    return np.maximum(own[:, None] + own[None, :] - 2 * matrix, 1e-12)


def _certainty(ahead: Floats, variance: Floats) -> Floats:
    """Return the share of a difference's variance that a duel of the two removes, per variance.

    What is expected of the strengths is linear in a verdict that has two values, so the variance
    that it is expected to remove is that of their linear regression on the verdict. The verdict's
    probability and its slope are MacKay's, "The evidence framework applied to classification
    networks", Neural Computation 4 (1992), and the normal density that fits it.
    """
    total = variance + _LOGISTIC_VARIANCE
    slope = np.exp(-(ahead**2) / (2 * total)) / np.sqrt(2 * np.pi * total)
    half = np.abs(ahead) / (2 * np.sqrt(1 + variance / _LOGISTIC_VARIANCE))
    return np.asarray(slope**2 * 4 * np.cosh(np.minimum(half, 300.0)) ** 2)
