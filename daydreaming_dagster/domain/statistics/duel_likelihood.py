"""The likelihood of duels and its derivatives, averaged over what is not known of the strengths."""

from typing import Final

import attrs
import numpy as np
from scipy.sparse import csr_array

from daydreaming_dagster.domain.statistics.judgments import TIE, Duels, Floats, Indices
from daydreaming_dagster.domain.statistics.score_evidence import ScoreEvidence

_NUISANCE_VARIANCE: Final = 10.0
"""The prior variance of log odds: enough for 500 to 1, and finite if the first always wins."""
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@attrs.define
class State:
    """A normal approximation of what is known.

    Attributes:
        values: The means: items, the slope of the scores, position per judge, ties per judge.
        variances: Of each duel's log odds.
        discrimination: Per judge.
        spread: The standard deviation of the strengths beyond what scores predict.
        dispersion: What the information is divided by.
    """

    values: Floats
    variances: Floats
    discrimination: Floats
    spread: float
    dispersion: float = 1.0


@attrs.frozen
class Curves:
    """Derivatives of each duel's log likelihood in its log odds and the log weight of ties."""

    slope: Floats
    curvature: Floats
    tied: Floats
    mixed: Floats
    tie_curvature: Floats


@attrs.frozen
class Problem:
    """Duels and what scores say of their items; `tying` are the judges with at least one tie."""

    duels: Duels
    evidence: ScoreEvidence | None
    tying: Indices

    @property
    def items(self) -> int:
        """How many items there are."""
        return len(self.duels.items)

    @property
    def judges(self) -> int:
        """How many judges there are."""
        return self.duels.judge.size

    @property
    def offset(self) -> int:
        """Where the judges' parameters begin."""
        return self.items + (self.evidence is not None)

    def strengths(self, values: Floats) -> Floats:
        """Return the strengths of the items."""
        own = values[: self.items]
        return own if self.evidence is None else own + self.evidence.expected * values[self.items]

    def tie_weights(self, values: Floats) -> Floats:
        """Return the weight of a tie for each judge."""
        weights = np.zeros(self.judges)
        weights[self.tying] = np.exp(values[self.offset + self.judges :])
        return weights

    def prior_variances(self, state: State) -> Floats:
        """Return the variance of each item's strength beyond what scores predict."""
        variances = np.full(self.items, state.spread**2)
        if self.evidence is not None:
            variances += float(state.values[self.items]) ** 2 * self.evidence.doubt
        return variances

    def prior(self, state: State) -> Floats:
        """Return the prior precision of each parameter."""
        precision = np.full(self.offset + self.judges + len(self.tying), 1 / _NUISANCE_VARIANCE)
        precision[: self.items] = 1 / self.prior_variances(state)
        return precision


def _log_odds(problem: Problem, state: State) -> Floats:
    """Return the mean log odds that the first wins each duel, if there are no ties."""
    duels, judge = problem.duels, problem.duels.judge.codes
    strength = problem.strengths(state.values)
    position = state.values[problem.offset : problem.offset + problem.judges]
    lead = strength[duels.first] - strength[duels.second]
    return np.asarray(state.discrimination[judge] * lead + position[judge])


def mean_curves(problem: Problem, state: State) -> Curves:
    """Return the likelihood's derivatives for each duel, averaged over its uncertain log odds."""
    tie = problem.tie_weights(state.values)[problem.duels.judge.codes][:, None]
    log_odds = _log_odds(problem, state)[:, None] + np.sqrt(state.variances)[:, None] * _NODES
    half = np.clip(log_odds / 2, -300, 300)
    up, down = np.exp(half), np.exp(-half)
    total = up + down + tie
    lead, tied = (up - down) / total, tie / total
    return Curves(
        problem.duels.first_wins - 0.5 - (lead @ _WEIGHTS) / 2,
        ((1 - tied - lead**2) @ _WEIGHTS) / 4,
        tied @ _WEIGHTS,
        -((lead * tied) @ _WEIGHTS) / 2,
        (tied * (1 - tied)) @ _WEIGHTS,
    )


def _terms(problem: Problem, state: State) -> list[tuple[Indices, Floats]]:
    """Return which parameters each duel's log odds are a sum of, and their factors."""
    duels, judge = problem.duels, problem.duels.judge.codes
    factor = state.discrimination[judge]
    terms = [
        (duels.first, factor),
        (duels.second, -factor),
        (problem.offset + judge, np.ones(len(judge))),
    ]
    if problem.evidence is not None:
        expected = problem.evidence.expected
        difference = expected[duels.first] - expected[duels.second]
        terms.append((np.full(len(judge), problem.items), factor * difference))
    return terms


def design_matrix(problem: Problem, state: State) -> csr_array:
    """Return how each duel's log odds depend on the parameters, as a matrix."""
    terms = _terms(problem, state)
    columns = np.concatenate([where for where, _ in terms])
    entries = np.concatenate([factors for _, factors in terms])
    duels = len(entries) // len(terms)
    rows = np.tile(np.arange(duels), len(terms))
    return csr_array((entries, (rows, columns)), shape=(duels, len(state.values)))


def log_odds_variances(problem: Problem, state: State, covariance: Floats) -> Floats:
    """Return the variance of each duel's log odds."""
    terms = _terms(problem, state)
    variances = sum(
        factors * others * covariance[where, elsewhere]
        for where, factors in terms
        for elsewhere, others in terms
    )
    return np.maximum(variances, 0.0)


def gradient_and_information(
    problem: Problem, state: State, design: csr_array
) -> tuple[Floats, Floats]:
    """Return the gradient of the log posterior, and minus its matrix of second derivatives."""
    judge, size = problem.duels.judge.codes, len(state.values)
    curves = mean_curves(problem, state)
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
    prior = problem.prior(state)
    information /= state.dispersion
    information[np.diag_indices(size)] += prior
    return gradient / state.dispersion - prior * state.values, information
