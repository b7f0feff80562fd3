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
from daydreaming_dagster.domain.statistics.duel_likelihood import (
    Problem,
    State,
    design_matrix,
    gradient_and_information,
    log_odds_variances,
    mean_curves,
)
from daydreaming_dagster.domain.statistics.judgments import TIE, Duels, Floats, Indices
from daydreaming_dagster.domain.statistics.score_evidence import ScoreEvidence

_DISCRIMINATION_VARIANCE: Final = 0.25
_SPREAD_VARIANCE: Final = 0.4
"""Of the half-normal prior of the strengths' standard deviation, per item: many tell it alone."""
_MOST_STEPS: Final = 200
_TOLERANCE: Final = 3e-3
_LONGEST_STEP: Final = 5.0
_STRIDE: Final = 0.9
"""EM's own step of a log standard deviation is 0.5 of that of the variance; this needs fewer."""
_LEAST_SPREAD: Final = 1e-3


@attrs.frozen
class DuelFit:
    """Estimates from duels.

    Attributes:
        strength: Each item's log odds of beating the average item, shrunk towards 0.
        covariance: Of the strengths, as a normal posterior.
        component: Items of different components were never compared, even indirectly, and have no
            scores that can be.
        first_log_odds: Per judge, of preferring what is shown first of two equal items.
        first_errors: The standard error of each.
        mean_first: The mean of `first_log_odds` over all duels, and its standard error.
        tie_odds: Per judge, of a tie to a win of the first between equals without a position.
        discrimination: Per judge, how much a difference in strength counts; 1 for the mean judge.
        discrimination_errors: The standard error of the log of each.
        spread: The standard deviation of the items' true strengths, beyond what scores predict.
        dispersion: How much more repeated duels of a pair agree than independent ones would; 1 if
            that is not seen.
        score_slope: How much strength a unit of the scores is worth, and its standard error.
        score_share: How much of the variance of the strengths the scores predict.
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
    score_share: float | None

    def interval(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """Return the bounds of each strength."""
        margin = np.sqrt(self.covariance.variances()) * ndtri(0.5 + level / 2)
        return self.strength - margin, self.strength + margin


def fit_duels(duels: Duels, evidence: ScoreEvidence | None = None) -> DuelFit:
    """Return the strengths of the items; `evidence` is what scores say of them, if there are any.

    Log odds of the first are `a_j (s_first - s_second) + d_j`: d is judge j's preference for what
    is shown first, a its discrimination. Strengths are normal around 0, or around a multiple of
    what scores make of them. The multiple and the remaining spread are estimated: they are the
    scale and the weight of the scores, so scores that do not predict the duels count for nothing.
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
    problem = Problem(duels, evidence, tying)
    size = problem.offset + problem.judges + len(tying)
    state = State(np.zeros(size), np.zeros(len(duels.first)), np.ones(problem.judges), 1.0)
    covariance = _maximise(problem, state)
    dispersion = _dispersion(problem, state)
    if dispersion > 1:
        state.dispersion = dispersion
        covariance = _maximise(problem, state)
    return _fit_of(problem, state, covariance)


def _maximise(problem: Problem, state: State) -> Floats:
    """Move the state to the best normal approximation, and return its covariance."""
    items = problem.items
    covariance = np.zeros((0, 0))
    for _ in range(_MOST_STEPS):
        design = design_matrix(problem, state)
        gradient, information = gradient_and_information(problem, state, design)
        covariance = positive_inverse(information)
        step = covariance @ gradient
        step *= min(1.0, _LONGEST_STEP / max(float(np.abs(step).max()), 1e-300))
        state.values = state.values + step
        state.variances = log_odds_variances(problem, state, covariance)
        squares = _expected_squares(problem, state, covariance)
        moved = max(_discriminate(problem, state), float(np.abs(step).max()))
        growth = np.log(_likeliest_variance(squares, items) / state.spread**2)
        if max(abs(growth), moved) < _TOLERANCE:
            break
        state.spread = max(state.spread * float(np.exp(_STRIDE * growth)), _LEAST_SPREAD)
    return covariance


def _expected_squares(problem: Problem, state: State, covariance: Floats) -> float:
    """Return the expected sum of squares of what is in the strengths beyond what scores predict.

    What the doubt about a score explains of an item's difference from it is not part of that.
    """
    items = problem.items
    squares = state.values[:items] ** 2 + np.diagonal(covariance)[:items]
    kept = state.spread**2 / problem.prior_variances(state)
    return float((kept**2 * squares + state.spread**2 * (1 - kept)).sum())


def _likeliest_variance(squares: float, items: int) -> float:
    """Return the variance of strengths whose squares have this expected sum.

    One degree of freedom goes to their mean. The prior of the standard deviation is half-normal:
    with few items of few duels, the likelihood alone would often choose an enormous one.
    """
    df = max(items - 1, 1)
    prior = _SPREAD_VARIANCE * items
    return prior / 2 * (math.sqrt(df**2 + 4 * squares / prior) - df)


def _discriminate(problem: Problem, state: State) -> float:
    """Move the discriminations by one step of Newton's method, and return how far."""
    if problem.judges == 1:
        return 0.0
    gradient, information = _discrimination_curve(problem, state)
    logs = np.log(state.discrimination)
    step = np.clip((gradient - logs / _DISCRIMINATION_VARIANCE) / information, -0.5, 0.5)
    logs = logs + step
    state.discrimination = np.exp(logs - logs.mean())
    return float(np.abs(step - step.mean()).max())


def _discrimination_curve(problem: Problem, state: State) -> tuple[Floats, Floats]:
    """Return the likelihood's slope in the log of each discrimination, and the information."""
    duels, judge = problem.duels, problem.duels.judge.codes
    curves = mean_curves(problem, state)
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


def _discrimination_information(problem: Problem, state: State, covariance: Floats) -> Floats:
    """Return the information on the log of each discrimination, the other parameters unknown."""
    duels, judge = problem.duels, problem.duels.judge.codes
    curves, design = mean_curves(problem, state), design_matrix(problem, state)
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


def _dispersion(problem: Problem, state: State) -> float:
    """Return the dispersion of the pairs that were judged more than once, 1 if it is chance."""
    duels = problem.duels
    curves = mean_curves(problem, state)
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


def _fit_of(problem: Problem, state: State, inverse: Floats) -> DuelFit:
    items, offset, judges = problem.items, problem.offset, problem.judges
    covariance = inverse[:items, :items]
    slope, share_of_scores = None, None
    if problem.evidence is not None:
        x, crossed = problem.evidence.expected, inverse[:items, items]
        covariance = (
            covariance
            + np.outer(x, crossed)
            + np.outer(crossed, x)
            + inverse[items, items] * np.outer(x, x)
        )
        per_deviation = float(state.values[items])
        error = float(np.sqrt(inverse[items, items]))
        slope = per_deviation / problem.evidence.scale, error / problem.evidence.scale
        # The estimated square without its expected error.
        predicted = max(per_deviation**2 - error**2, 0.0) * float(x.var())
        share_of_scores = predicted / (predicted + float(problem.prior_variances(state).mean()))
    row = covariance.mean(axis=1)
    covariance = covariance - row[:, None] - row[None, :] + row.mean()
    strength = problem.strengths(state.values)
    share = np.bincount(problem.duels.judge.codes, minlength=judges) / len(
        problem.duels.judge.codes
    )
    position = slice(offset, offset + judges)
    first, first_covariance = state.values[position], inverse[position, position]
    told = _discrimination_information(problem, state, inverse)
    return DuelFit(
        strength - strength.mean(),
        Covariance.dense(covariance),
        _components(problem),
        first,
        np.sqrt(np.diagonal(first_covariance)),
        (float(share @ first), float(np.sqrt(share @ first_covariance @ share))),
        problem.tie_weights(state.values),
        state.discrimination,
        1 / np.sqrt(told),
        state.spread,
        state.dispersion,
        slope,
        share_of_scores,
    )


def _components(problem: Problem) -> Indices:
    """Return for each item which of the parts it is in that nothing compares with each other."""
    first, second = problem.duels.first, problem.duels.second
    if problem.evidence is not None:
        component = problem.evidence.component
        scored = np.flatnonzero(component >= 0)
        leaders = np.unique(component[scored], return_index=True)[1]
        leader = scored[leaders][np.searchsorted(np.unique(component[scored]), component[scored])]
        first, second = np.append(first, leader), np.append(second, scored)
    shape = (problem.items, problem.items)
    edges = coo_array((np.ones(len(first)), (first, second)), shape=shape)
    return connected_components(edges, directed=False)[1].astype(np.int64)
