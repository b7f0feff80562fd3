"""Strengths of items from duels: Bradley and Terry's model with position, ties and several judges.

The model: Bradley and Terry, "Rank analysis of incomplete block designs", Biometrika 39 (1952); its
ties and its term for what is shown first: Davidson and Beaver, "On extending the Bradley-Terry
model to incorporate within-pair order effects", Biometrics 33 (1977).
"""

import math
from typing import Final

import attrs
import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components
from scipy.special import ndtri

from daydreaming_dagster.domain.statistics.covariance import Covariance, positive_inverse
from daydreaming_dagster.domain.statistics.judgments import Duels, Floats, Indices

_NUISANCE_VARIANCE: Final = 10.0
"""The prior variance of log odds: enough for 500 to 1, and finite if the first always wins."""
_DISCRIMINATION_VARIANCE: Final = 0.25
_SPREAD_VARIANCE: Final = 4.0
"""Of the half-normal prior of the strengths' standard deviation."""
_MOST_STEPS: Final = 200
_TOLERANCE: Final = 3e-3
_LONGEST_STEP: Final = 5.0
_STRIDE: Final = 0.9
"""EM's own step of a log standard deviation is 0.5 of that of the variance; this needs fewer."""
_LEAST_SPREAD: Final = 1e-3
TIE: Final = 0.5
"""`first_wins` of a tie."""
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@attrs.frozen
class DuelFit:
    """Estimates from duels.

    Attributes:
        strength: Each item's log odds of beating the average item, shrunk towards 0.
        covariance: Of the strengths, as a normal posterior.
        component: Items of different components were never compared, even indirectly.
        first_log_odds: Per judge, of preferring what is shown first of two equal items.
        first_errors: The standard error of each.
        mean_first: The mean of `first_log_odds` over all duels, and its standard error.
        tie_odds: Per judge, of a tie to a win of the first between equals without a position.
        discrimination: Per judge, how much a difference in strength counts; 1 for the mean judge.
        discrimination_errors: The standard error of the log of each.
        spread: The standard deviation of the items' true strengths.
        dispersion: How much more repeated duels of a pair agree than independent ones would; 1 if
            that is not seen.
        score_slope: How much strength a unit of the scores is worth, and its standard error.
    """

    strength: Floats
    covariance: Covariance
    component: Indices
    first_log_odds: Floats
    first_errors: Floats
    mean_first: tuple[float, float]
    tie_odds: Floats
    discrimination: Floats
    discrimination_errors: Floats
    spread: float
    dispersion: float
    score_slope: tuple[float, float] | None

    def interval(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """Return the bounds of each strength."""
        margin = np.sqrt(self.covariance.variances()) * ndtri(0.5 + level / 2)
        return self.strength - margin, self.strength + margin


@attrs.define
class _State:
    """A normal approximation of what is known.

    Attributes:
        values: The means: items, the slope of the scores, position per judge, ties per judge.
        variances: Of each duel's log odds.
        discrimination: Per judge.
        spread: The standard deviation of the strengths.
        dispersion: What the information is divided by.
    """

    values: Floats
    variances: Floats
    discrimination: Floats
    spread: float
    dispersion: float = 1.0


@attrs.frozen
class _Curves:
    """Derivatives of each duel's log likelihood in its log odds and the log weight of ties."""

    slope: Floats
    curvature: Floats
    tied: Floats
    mixed: Floats
    tie_curvature: Floats


@attrs.frozen
class _Problem:
    duels: Duels
    covariate: Floats | None
    tying: Indices  # judges with at least one tie

    @property
    def items(self) -> int:
        return len(self.duels.items)

    @property
    def judges(self) -> int:
        return self.duels.judge.size

    @property
    def offset(self) -> int:
        """Where the judges' parameters begin."""
        return self.items + (self.covariate is not None)

    def strengths(self, values: Floats) -> Floats:
        own = values[: self.items]
        return own if self.covariate is None else own + self.covariate * values[self.items]

    def tie_weights(self, values: Floats) -> Floats:
        weights = np.zeros(self.judges)
        weights[self.tying] = np.exp(values[self.offset + self.judges :])
        return weights

    def prior(self, spread: float) -> Floats:
        """Return the prior precision of each parameter."""
        precision = np.full(self.offset + self.judges + len(self.tying), 1 / _NUISANCE_VARIANCE)
        precision[: self.items] = 1 / spread**2
        return precision


def fit_duels(duels: Duels, scores: Floats | None = None) -> DuelFit:
    """Return the strengths of the items; `scores` are estimates of the same items, if there are.

    Log odds of the first are `a_j (s_first - s_second) + d_j`: d is judge j's preference for what
    is shown first, a its discrimination. Strengths are normal around 0, or around `b * score` if
    scores are given: b is estimated, so scores that do not predict the duels count for nothing.
    What is known of them is approximated by a normal distribution, and their spread maximises the
    likelihood so approximated (Opper and Archambeau, "The variational Gaussian approximation
    revisited", Neural Computation 21, 2009). So strengths are finite even if an item always wins,
    and an item that was never compared with another keeps the whole prior interval.

    Assumes that duels are independent given the strengths. If repeated duels of the same pair agree
    more than that, the information is divided by the dispersion (McCullagh and Nelder, "Generalized
    Linear Models", 1989, section 4.5). Verdicts that could not be read are taken as missing at
    random.
    """
    tying = np.unique(duels.judge.codes[duels.first_wins == TIE])
    covariate = None
    if scores is not None and np.ptp(scores) > 0:
        covariate = (scores - scores.mean()) / scores.std()
    problem = _Problem(duels, covariate, tying)
    size = problem.offset + problem.judges + len(tying)
    state = _State(np.zeros(size), np.zeros(len(duels.first)), np.ones(problem.judges), 1.0)
    covariance = _maximise(problem, state)
    dispersion = _dispersion(problem, state)
    if dispersion > 1:
        state.dispersion = dispersion
        covariance = _maximise(problem, state)
    scale = 1.0 if scores is None or covariate is None else float(scores.std())
    return _fit_of(problem, state, covariance, scale)


def _log_odds(problem: _Problem, state: _State) -> Floats:
    """Return the mean log odds that the first wins each duel, if there are no ties."""
    duels, judge = problem.duels, problem.duels.judge.codes
    strength = problem.strengths(state.values)
    position = state.values[problem.offset : problem.offset + problem.judges]
    lead = strength[duels.first] - strength[duels.second]
    return np.asarray(state.discrimination[judge] * lead + position[judge])


def _curves(problem: _Problem, state: _State) -> _Curves:
    """Return the likelihood's derivatives for each duel, averaged over its uncertain log odds."""
    tie = problem.tie_weights(state.values)[problem.duels.judge.codes][:, None]
    log_odds = _log_odds(problem, state)[:, None] + np.sqrt(state.variances)[:, None] * _NODES
    half = np.clip(log_odds / 2, -300, 300)
    up, down = np.exp(half), np.exp(-half)
    total = up + down + tie
    lead, tied = (up - down) / total, tie / total
    return _Curves(
        problem.duels.first_wins - 0.5 - (lead @ _WEIGHTS) / 2,
        ((1 - tied - lead**2) @ _WEIGHTS) / 4,
        tied @ _WEIGHTS,
        -((lead * tied) @ _WEIGHTS) / 2,
        (tied * (1 - tied)) @ _WEIGHTS,
    )


def _terms(problem: _Problem, state: _State) -> list[tuple[Indices, Floats]]:
    """Return which parameters each duel's log odds are a sum of, and their factors."""
    duels, judge = problem.duels, problem.duels.judge.codes
    factor = state.discrimination[judge]
    terms = [
        (duels.first, factor),
        (duels.second, -factor),
        (problem.offset + judge, np.ones(len(judge))),
    ]
    if problem.covariate is not None:
        difference = problem.covariate[duels.first] - problem.covariate[duels.second]
        terms.append((np.full(len(judge), problem.items), factor * difference))
    return terms


def _design(problem: _Problem, state: _State) -> csr_array:
    """Return how each duel's log odds depend on the parameters, as a matrix."""
    terms = _terms(problem, state)
    columns = np.concatenate([where for where, _ in terms])
    entries = np.concatenate([factors for _, factors in terms])
    duels = len(entries) // len(terms)
    rows = np.tile(np.arange(duels), len(terms))
    return csr_array((entries, (rows, columns)), shape=(duels, len(state.values)))


def _log_odds_variances(problem: _Problem, state: _State, covariance: Floats) -> Floats:
    """Return the variance of each duel's log odds."""
    terms = _terms(problem, state)
    variances = sum(
        factors * others * covariance[where, elsewhere]
        for where, factors in terms
        for elsewhere, others in terms
    )
    return np.maximum(variances, 0.0)


def _gradient_and_information(
    problem: _Problem, state: _State, design: csr_array
) -> tuple[Floats, Floats]:
    """Return the gradient of the log posterior, and minus its matrix of second derivatives."""
    judge, size = problem.duels.judge.codes, len(state.values)
    curves = _curves(problem, state)
    gradient = design.T @ curves.slope
    information = (design.T @ design.multiply(curves.curvature[:, None])).toarray()
    if len(problem.tying):
        place = np.full(problem.judges, -1)
        place[problem.tying] = problem.offset + problem.judges + np.arange(len(problem.tying))
        own = np.flatnonzero(place[judge] >= 0)
        where = place[judge][own]
        excess = (problem.duels.first_wins == TIE)[own] - curves.tied[own]
        gradient += np.bincount(where, weights=excess, minlength=size)
        information[np.diag_indices(size)] += np.bincount(
            where, weights=curves.tie_curvature[own], minlength=size
        )
        picks = csr_array((curves.mixed[own], (own, where)), shape=design.shape)
        crossed = (design.T @ picks).toarray()
        information += crossed + crossed.T
    prior = problem.prior(state.spread)
    information /= state.dispersion
    information[np.diag_indices(size)] += prior
    return gradient / state.dispersion - prior * state.values, information


def _maximise(problem: _Problem, state: _State) -> Floats:
    """Move the state to the best normal approximation, and return its covariance."""
    items = problem.items
    covariance = np.zeros((0, 0))
    for _ in range(_MOST_STEPS):
        design = _design(problem, state)
        gradient, information = _gradient_and_information(problem, state, design)
        covariance = positive_inverse(information)
        step = covariance @ gradient
        step *= min(1.0, _LONGEST_STEP / max(float(np.abs(step).max()), 1e-300))
        state.values = state.values + step
        state.variances = _log_odds_variances(problem, state, covariance)
        squares = float((state.values[:items] ** 2).sum() + np.trace(covariance[:items, :items]))
        moved = max(_discriminate(problem, state), float(np.abs(step).max()))
        growth = np.log(_likeliest_variance(squares, items) / state.spread**2)
        if max(abs(growth), moved) < _TOLERANCE:
            break
        state.spread = max(state.spread * float(np.exp(_STRIDE * growth)), _LEAST_SPREAD)
    return covariance


def _likeliest_variance(squares: float, items: int) -> float:
    """Return the variance of strengths whose squares have this expected sum.

    One degree of freedom goes to their mean. The prior of the standard deviation is half-normal:
    with few items of few duels, the likelihood alone would often choose an enormous one.
    """
    df = max(items - 1, 1)
    return _SPREAD_VARIANCE / 2 * (math.sqrt(df**2 + 4 * squares / _SPREAD_VARIANCE) - df)


def _discriminate(problem: _Problem, state: _State) -> float:
    """Move the discriminations by one step of Newton's method, and return how far."""
    if problem.judges == 1:
        return 0.0
    gradient, information = _discrimination_curve(problem, state)
    logs = np.log(state.discrimination)
    step = np.clip((gradient - logs / _DISCRIMINATION_VARIANCE) / information, -0.5, 0.5)
    logs = logs + step
    state.discrimination = np.exp(logs - logs.mean())
    return float(np.abs(step - step.mean()).max())


def _discrimination_curve(problem: _Problem, state: _State) -> tuple[Floats, Floats]:
    """Return the likelihood's slope in the log of each discrimination, and the information."""
    duels, judge = problem.duels, problem.duels.judge.codes
    curves = _curves(problem, state)
    strength = problem.strengths(state.values)
    lead = state.discrimination[judge] * (strength[duels.first] - strength[duels.second])
    pull = curves.slope * lead - curves.curvature * state.variances
    gradient = np.bincount(judge, weights=pull, minlength=problem.judges)
    squares = curves.curvature * (lead**2 + state.variances)
    information = np.bincount(judge, weights=squares, minlength=problem.judges)
    return (
        gradient / state.dispersion,
        information / state.dispersion + 1 / _DISCRIMINATION_VARIANCE,
    )


def _discrimination_information(problem: _Problem, state: _State, covariance: Floats) -> Floats:
    """Return the information on the log of each discrimination, the other parameters unknown."""
    duels, judge = problem.duels, problem.duels.judge.codes
    curves, design = _curves(problem, state), _design(problem, state)
    strength = problem.strengths(state.values)
    lead = state.discrimination[judge] * (strength[duels.first] - strength[duels.second])
    per_judge = csr_array(
        (curves.curvature * lead, (np.arange(len(judge)), judge)),
        shape=(len(judge), problem.judges),
    )
    crossed = (design.T @ per_judge).toarray() / state.dispersion
    squares = np.bincount(judge, weights=curves.curvature * lead**2, minlength=problem.judges)
    shared = (crossed * (covariance @ crossed)).sum(axis=0)
    own = np.maximum(squares / state.dispersion - shared, 0.0)
    return np.asarray(own + 1 / _DISCRIMINATION_VARIANCE)


def _dispersion(problem: _Problem, state: _State) -> float:
    """Return the dispersion of the pairs that were judged more than once, 1 if it is chance."""
    duels = problem.duels
    curves = _curves(problem, state)
    low, high = np.minimum(duels.first, duels.second), np.maximum(duels.first, duels.second)
    _, pair, counts = np.unique(low * problem.items + high, return_inverse=True, return_counts=True)
    signed = np.where(duels.first == low, curves.slope, -curves.slope)
    repeated = counts > 1
    if not repeated.any():
        return 1.0
    sums = np.bincount(pair, weights=signed)[repeated]
    expected = np.bincount(pair, weights=curves.curvature)[repeated]
    ratio = float((sums**2).sum() / expected.sum())
    chance = 1 + 2.33 * np.sqrt(2 / repeated.sum())
    return ratio if ratio > chance else 1.0


def _fit_of(problem: _Problem, state: _State, inverse: Floats, score_scale: float) -> DuelFit:
    items, offset, judges = problem.items, problem.offset, problem.judges
    covariance = inverse[:items, :items]
    if problem.covariate is not None:
        x, crossed = problem.covariate, inverse[:items, items]
        covariance = (
            covariance
            + np.outer(x, crossed)
            + np.outer(crossed, x)
            + inverse[items, items] * np.outer(x, x)
        )
    row = covariance.mean(axis=1)
    covariance = covariance - row[:, None] - row[None, :] + row.mean()
    strength = problem.strengths(state.values)
    share = np.bincount(problem.duels.judge.codes, minlength=judges) / len(
        problem.duels.judge.codes
    )
    position = slice(offset, offset + judges)
    first, first_covariance = state.values[position], inverse[position, position]
    told = _discrimination_information(problem, state, inverse)
    edges = coo_array(
        (np.ones(len(problem.duels.first)), (problem.duels.first, problem.duels.second)),
        shape=(items, items),
    )
    return DuelFit(
        strength - strength.mean(),
        Covariance.dense(covariance),
        connected_components(edges, directed=False)[1].astype(np.int64),
        first,
        np.sqrt(np.diagonal(first_covariance)),
        (float(share @ first), float(np.sqrt(share @ first_covariance @ share))),
        problem.tie_weights(state.values),
        state.discrimination,
        1 / np.sqrt(told),
        state.spread,
        state.dispersion,
        None
        if problem.covariate is None
        else (
            float(state.values[items]) / score_scale,
            float(np.sqrt(inverse[items, items])) / score_scale,
        ),
    )
