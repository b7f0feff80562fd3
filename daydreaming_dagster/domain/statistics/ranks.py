"""Which ranks are possible, and how probable it is to be among the best."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import attrs
import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaincinv, gammaln, ndtr

from daydreaming_dagster.domain.statistics.covariance import Covariance
from daydreaming_dagster.domain.statistics.judgments import Floats, Indices

_BLOCK: Final = 256
_DRAWS: Final = 4000
_MULTIPLES: Final = 24
_JOINT: Final = 1000
"""With more items than this, errors are taken as independent by `best_of_estimates`."""
_SPREAD_SCALE: Final = 2.0
_SPREAD_DF: Final = 2.0
_JITTER: Final = 1e-9


@attrs.frozen
class RankBands:
    """The ranks that each item may have, counted from 1, at once for all items."""

    low: Indices
    high: Indices


def rank_bands(
    estimate: Floats,
    covariance: Covariance,
    df: float = np.inf,
    component: Indices | None = None,
    level: float = 0.95,
) -> RankBands:
    """Return for each item the ranks that it may have, all right with probability `level`.

    An item's band begins after those that are certainly better and ends before those that are
    certainly worse: Mogstad, Romano, Shaikh and Wilhelm, "Inference for Ranks with Applications to
    Mobility across Neighbourhoods and Academic Achievement across Countries", Review of Economic
    Studies 91 (2024), with simultaneous intervals of all pairwise differences. Those are
    Tukey-Kramer's; Hayter, Annals of Statistics 12 (1984), proved that they are conservative for
    independent estimates of unequal variance.

    Assumes normal estimates. Items of different components were never compared, so none of them is
    certainly better.
    """
    count = len(estimate)
    low, high = np.ones(count, dtype=np.int64), np.full(count, count, dtype=np.int64)
    if count == 1:
        return RankBands(low, high)
    critical = studentized_range_quantile(level, count, df) / np.sqrt(2)
    for start in range(0, count, _BLOCK):
        stop = min(start + _BLOCK, count)
        margin = critical * np.sqrt(covariance.difference_variances(start, stop))
        ahead = estimate[None, :] - estimate[start:stop, None]
        better, worse = ahead > margin, -ahead > margin
        if component is not None:
            compared = component[None, :] == component[start:stop, None]
            better, worse = better & compared, worse & compared
        low[start:stop] += better.sum(axis=1)
        high[start:stop] -= worse.sum(axis=1)
    return RankBands(low, high)


def studentized_range_quantile(level: float, count: int, df: float = np.inf) -> float:
    """Return the quantile of the range of `count` standard normals over an independent chi.

    By quadrature of the double integral in Copenhaver and Holland, "Computation of the distribution
    of the maximum studentized range statistic", J. Statist. Comput. Simul. 30 (1988).
    """
    nodes, weights = np.polynomial.legendre.leggauss(160)
    x = 8.5 * nodes
    normal = 8.5 * weights * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    below = ndtr(x)
    if np.isinf(df):
        scale, density = np.ones(1), np.ones(1)
    else:
        width = min(12 / np.sqrt(2 * df), 12.0)
        start = max(0.0, 1 - width)
        scale = start + (1 + width - start) * (nodes + 1) / 2
        log = (
            np.log(2.0)
            + df / 2 * np.log(df / 2)
            - gammaln(df / 2)
            + (df - 1) * np.log(scale)
            - df * scale**2 / 2
        )
        density = (1 + width - start) / 2 * weights * np.exp(log)

    def excess(quantile: float) -> float:
        inner = below[None, :] - ndtr(x[None, :] - quantile * scale[:, None])
        ranges = count * (inner ** (count - 1)) @ normal
        return float(density @ ranges) - level

    upper = 10.0
    while excess(upper) < 0:
        upper *= 2
    return float(brentq(excess, 1e-6, upper, xtol=1e-6))


@attrs.frozen
class BestProbabilities:
    """How probable it is that each item is the best, and among the best that were asked about."""

    best: Floats
    among_top: Floats


def best_of_estimates(
    estimate: Floats, covariance: Covariance, top: int, df: float = np.inf
) -> BestProbabilities:
    """Return the probabilities of being best, from estimates with errors.

    The true values are normal around a common mean, as in the hierarchical model of Gelman, Carlin,
    Stern, Dunson, Vehtari and Rubin, "Bayesian Data Analysis" (3rd edition), section 5.4. So
    estimates that differ by no more than noise leave every item about the same chance. The standard
    deviation of the true values has a half-t prior whose scale is twice that of the errors: Gelman,
    "Prior distributions for variance parameters in hierarchical models", Bayesian Analysis 1
    (2006). The covariance is an estimate with `df` degrees of freedom: the true one is a multiple
    of it by a scaled inverse chi-squared value (section 3.2 of the book).

    What all errors share does not change the order. With more than 1,000 items, what is left of
    them is taken as independent.
    """
    rng = np.random.default_rng(0)
    # So that rounding does not depend on where the scale begins.
    estimate = estimate - estimate.mean()
    spread = float(estimate.std())
    axes, variances = _axes(covariance)
    floor = max(float(variances.mean()), spread**2) * 1e-9
    variances = np.maximum(variances, floor if floor > 0 else 1.0)
    seen = _along(estimate, axes)
    ones = _along(np.ones(len(estimate)), axes)
    grid = np.linspace(0.0, 4 * max(spread, np.sqrt(floor)), 81) ** 2
    squares, multiples = (each.ravel() for each in np.meshgrid(grid, _multiples(df)))
    log, centre, precision = (np.zeros(len(squares)) for _ in range(3))
    for place, (square, multiple) in enumerate(zip(squares, multiples, strict=True)):
        total = square + multiple * variances
        precision[place] = (ones**2 / total).sum()
        centre[place] = (ones * seen / total).sum() / precision[place]
        misfit = ((seen - centre[place] * ones) ** 2 / total).sum()
        log[place] = -0.5 * (np.log(total).sum() + np.log(precision[place]) + misfit)
    log += _spread_prior(squares, multiples * variances.sum() / max(len(estimate) - 1, 1))
    chance = np.exp(log - log.max())
    chosen = rng.choice(len(log), size=_DRAWS, p=chance / chance.sum())
    drawn_centre = centre[chosen] + rng.standard_normal(_DRAWS) / np.sqrt(precision[chosen])
    wins, among = np.zeros(len(estimate)), np.zeros(len(estimate))
    for rows in np.array_split(np.arange(_DRAWS), 16):
        noise = multiples[chosen[rows], None] * variances
        shrunk = squares[chosen[rows], None] / (squares[chosen[rows], None] + noise)
        level = drawn_centre[rows, None] * ones
        mean = level + shrunk * (seen - level)
        draws = mean + np.sqrt(shrunk * noise) * rng.standard_normal(mean.shape)
        # Draws that are all equal, for lack of any spread, make each item equally often the best.
        draws += 1e-12 * np.sqrt(variances) * rng.standard_normal(mean.shape)
        _count_best(draws if axes is None else draws @ axes.T, top, wins, among)
    return BestProbabilities(wins / _DRAWS, among / _DRAWS)


def _axes(covariance: Covariance) -> tuple[Floats | None, Floats]:
    """Return directions in which errors against their mean are independent, and their variances.

    None stands for the estimates themselves.
    """
    if len(covariance.diagonal) > _JOINT:
        return None, covariance.centred_variances()
    variances, axes = np.linalg.eigh(covariance.centred())
    return axes, np.maximum(variances, 0.0)


def _along(values: Floats, axes: Floats | None) -> Floats:
    return values if axes is None else axes.T @ values


def _spread_prior(squares: Floats, noise: Floats) -> Floats:
    """Return the log density of each spread, given the variance of the errors."""
    scale = _SPREAD_SCALE**2 * noise
    tail = (_SPREAD_DF + 1) / 2 * np.log1p(squares / (_SPREAD_DF * scale))
    return np.asarray(-tail - np.log(scale) / 2)


def _multiples(df: float) -> Floats:
    """Return equally probable multiples of a variance estimate that the true one may be."""
    if np.isinf(df):
        return np.ones(1)
    middles = (np.arange(_MULTIPLES) + 0.5) / _MULTIPLES
    return np.asarray(df / (2 * gammaincinv(df / 2, middles)), dtype=np.float64)


class Part(NamedTuple):
    """A normal distribution of a mixture.

    Attributes:
        weight: How probable it is.
        mean: Of each item.
        covariance: Of the items.
    """

    weight: float
    mean: Floats
    covariance: Covariance


def best_of_posterior(parts: Sequence[Part], top: int) -> BestProbabilities:
    """Return the probabilities of being best, from a posterior that is a mixture of normal ones.

    By drawing from it (Laird and Louis, "Empirical Bayes ranking methods", Journal of Educational
    Statistics 14, 1989).
    """
    rng = np.random.default_rng(0)
    count = len(parts[0].mean)
    wins, among = np.zeros(count), np.zeros(count)
    drawn = rng.multinomial(_DRAWS, [part.weight for part in parts])
    for part, often in zip(parts, drawn, strict=True):
        if not often:
            continue
        root = _root(part.covariance)
        for rows in np.array_split(np.arange(often), 16):
            noise = rng.standard_normal((len(rows), count))
            draws = part.mean + (noise * root if root.ndim == 1 else noise @ root.T)
            _count_best(draws, top, wins, among)
    return BestProbabilities(wins / _DRAWS, among / _DRAWS)


def _root(covariance: Covariance) -> Floats:
    """Return a square root of the covariance, or the standard deviations alone."""
    if covariance.right is not None:
        return np.asarray(np.sqrt(covariance.variances()))
    # Against their mean, the estimates have no full rank. What is added shifts all draws alike.
    matrix = covariance.left + covariance.variances().mean()
    matrix[np.diag_indices(len(matrix))] *= 1 + _JITTER
    return np.linalg.cholesky(matrix).astype(np.float64)


def _count_best(draws: Floats, top: int, wins: Floats, among: Floats) -> None:
    """Add to `wins` and `among` how often each column is the highest, and among the highest."""
    count = draws.shape[1]
    wins += np.bincount(draws.argmax(axis=1), minlength=count)
    if top >= count:
        among += len(draws)
        return
    highest = np.argpartition(draws, count - top, axis=1)[:, count - top :]
    among += np.bincount(highest.ravel(), minlength=count)
