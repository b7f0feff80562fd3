"""Strengths of items from duels: Bradley and Terry's model with position, ties and several judges.

The model: Bradley and Terry, "Rank analysis of incomplete block designs", Biometrika 39 (1952); its
ties and its term for what is shown first: Davidson and Beaver, "On extending the Bradley-Terry
model to incorporate within-pair order effects", Biometrics 33 (1977).
"""

from collections.abc import Sequence
from typing import Final

import attrs
import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components
from scipy.special import ndtr

from daydreaming_dagster.domain.statistics.covariance import Covariance
from daydreaming_dagster.domain.statistics.duel_approximation import (
    DISCRIMINATION_VARIANCE,
    Weighted,
    averaged,
    over_spreads,
    settle_likeliest,
)
from daydreaming_dagster.domain.statistics.duel_likelihood import (
    Problem,
    State,
    design_matrix,
    mean_curves,
)
from daydreaming_dagster.domain.statistics.judgments import Duels, Floats, Indices
from daydreaming_dagster.domain.statistics.ranks import Part
from daydreaming_dagster.domain.statistics.score_evidence import ScoreEvidence

_REACH: Final = 8.0
_HALVINGS: Final = 40
_JOINT: Final = 1000
"""With more items than this, parts of a mixture take strengths as independent."""


@attrs.frozen
class DuelFit:
    """Estimates from duels.

    Attributes:
        strength: Each item's log odds of beating the average item, shrunk towards 0.
        covariance: Of the strengths, as a normal posterior, at the likeliest spread.
        mixture: What is known of each strength over all spreads that they may have.
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
    mixture: "Mixture"
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
        return self.mixture.quantile(0.5 - level / 2), self.mixture.quantile(0.5 + level / 2)


@attrs.frozen
class Mixture:
    """Mixtures of normal distributions, one per item with the same weights.

    Attributes:
        parts: Each with its weight; with more than 1,000 items, with the variances alone.
    """

    parts: tuple[Part, ...]

    @classmethod
    def of(cls, weights: Sequence[float], known: Sequence[tuple[Floats, Floats]]) -> "Mixture":
        """Return the mixture of parts with these means and covariances."""
        return cls(
            tuple(
                Part(
                    weight,
                    mean,
                    Covariance.dense(matrix)
                    if len(mean) <= _JOINT
                    else Covariance.independent(np.diagonal(matrix)),
                )
                for weight, (mean, matrix) in zip(weights, known, strict=True)
            )
        )

    def quantile(self, level: float) -> Floats:
        """Return the value of each item that it is below with this probability."""
        weight = np.array([part.weight for part in self.parts])
        mean = np.stack([part.mean for part in self.parts])
        deviation = np.sqrt([part.covariance.variances() for part in self.parts])
        low = (mean - _REACH * deviation).min(axis=0)
        high = (mean + _REACH * deviation).max(axis=0)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            below = weight @ ndtr((middle - mean) / deviation) < level
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return np.asarray((low + high) / 2)


def fit_duels(duels: Duels, evidence: ScoreEvidence | None = None) -> DuelFit:
    """Return the strengths of the items; `evidence` is what scores say of them, if there are any.

    Log odds of the first are `a_j (s_first - s_second) + d_j`: d is judge j's preference for what
    is shown first, a its discrimination. Strengths are normal around 0, or around a multiple of
    what scores make of them. The multiple and the remaining spread are estimated: they are the
    scale and the weight of the scores, so scores that do not predict the duels count for nothing.
    What is known of them is approximated by a normal distribution (`settle`) at each spread that
    they may have (`over_spreads`). So strengths are finite even if an item always wins, and an item
    that was never compared with another keeps the whole prior interval. Estimates and
    rank bands are those at the likeliest spread: another one stretches all strengths alike.
    Intervals, and the probabilities of being the best, are over all spreads.

    Assumes that duels are independent given the strengths. If repeated duels of the same pair agree
    more than that, the information is divided by the dispersion (McCullagh and Nelder, "Generalized
    Linear Models", 1989, section 4.5). Verdicts that could not be read are taken as missing at
    random.
    """
    problem = Problem.of(duels, evidence)
    state = problem.start()
    curvature = settle_likeliest(problem, state)
    state.dispersion = _dispersion(problem, state)
    if state.dispersion > 1:
        curvature = settle_likeliest(problem, state)
    return _fit_of(problem, over_spreads(problem, state, curvature))


def _discrimination_information(problem: Problem, state: State) -> Floats:
    """Return the information on the log of each discrimination, the other parameters unknown.

    A single judge is the mean judge.
    """
    if problem.judges == 1:
        return np.full(1, np.inf)
    judge, lead = problem.duels.judge.codes, problem.leads(state)
    curves, design = mean_curves(problem, state), design_matrix(problem, state)
    information = problem.count * curves.curvature
    per_judge = csr_array(
        (information * lead, (np.arange(len(judge)), judge)),
        shape=(len(judge), problem.judges),
    )
    crossed = (design.T @ per_judge).toarray() / state.dispersion
    squares = np.bincount(judge, weights=information * lead**2, minlength=problem.judges)
    shared = (crossed * (state.covariance @ crossed)).sum(axis=0)
    own = np.maximum(squares / state.dispersion - shared, 0.0)
    return np.asarray(own + 1 / DISCRIMINATION_VARIANCE)


def _dispersion(problem: Problem, state: State) -> float:
    """Return the dispersion of the pairs that were judged more than once, 1 if it is chance."""
    duels = problem.duels
    curves = mean_curves(problem, state)
    low, high = np.minimum(duels.first, duels.second), np.maximum(duels.first, duels.second)
    _, pair = np.unique(low * problem.items + high, return_inverse=True)
    signed = np.where(duels.first == low, curves.slope, -curves.slope)
    repeated = np.bincount(pair, weights=problem.count) > 1
    if not repeated.any():
        return 1.0
    sums = np.bincount(pair, weights=problem.count * signed)[repeated]
    expected = np.bincount(pair, weights=problem.count * curves.curvature)[repeated]
    ratio = float((sums**2).sum() / expected.sum())
    chance = 1 + 2.33 * np.sqrt(2 / repeated.sum())
    return ratio if ratio > chance else 1.0


def _fit_of(problem: Problem, states: list[Weighted]) -> DuelFit:
    state, offset, judges = averaged(states), problem.offset, problem.judges
    known = [_strengths(problem, part) for _, part in states]
    strength, covariance = known[0]
    mixture = Mixture.of([weight for weight, _ in states], known)
    share = np.bincount(problem.duels.judge.codes, weights=problem.count, minlength=judges)
    share = np.asarray(share / share.sum(), dtype=np.float64)
    position = slice(offset, offset + judges)
    first, first_covariance = state.values[position], state.covariance[position, position]
    slope, share_of_scores = _of_scores(problem, state)
    return DuelFit(
        strength,
        Covariance.dense(covariance),
        mixture,
        _components(problem),
        first,
        np.sqrt(np.diagonal(first_covariance)),
        (float(share @ first), float(np.sqrt(share @ first_covariance @ share))),
        problem.tie_weights(state),
        state.discrimination,
        1 / np.sqrt(_discrimination_information(problem, state)),
        state.spread,
        state.dispersion,
        slope,
        share_of_scores,
    )


def _strengths(problem: Problem, state: State) -> tuple[Floats, Floats]:
    """Return the strengths against their mean, and their covariance."""
    items = problem.items
    covariance = state.covariance[:items, :items]
    if problem.evidence is not None:
        x, crossed = problem.evidence.expected, state.covariance[:items, items]
        covariance = (
            covariance
            + np.outer(x, crossed)
            + np.outer(crossed, x)
            + state.covariance[items, items] * np.outer(x, x)
        )
    strength = problem.strengths(state.values)
    return strength - strength.mean(), Covariance.dense(covariance).centred()


def _of_scores(problem: Problem, state: State) -> tuple[tuple[float, float] | None, float | None]:
    """Return what a unit of the scores is worth, with its error, and the share they predict."""
    if problem.evidence is None:
        return None, None
    items, scale = problem.items, problem.evidence.scale
    slope, error = float(state.values[items]), float(np.sqrt(state.covariance[items, items]))
    # The estimated square without its expected error.
    predicted = max(slope**2 - error**2, 0.0) * float(problem.evidence.expected.var())
    share = predicted / (predicted + float(problem.prior_variances(state).mean()))
    return (slope / scale, error / scale), share


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
