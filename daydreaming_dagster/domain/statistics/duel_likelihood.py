"""The likelihood of duels, as far as what is known of the strengths is normal."""

from typing import Final

import attrs
import numpy as np
from scipy.sparse import csr_array

from daydreaming_dagster.domain.statistics.covariance import strangers
from daydreaming_dagster.domain.statistics.judgments import TIE, Duels, Floats, Indices
from daydreaming_dagster.domain.statistics.score_evidence import ScoreEvidence

_NUISANCE_VARIANCE: Final = 10.0
"""The prior variance of log odds: enough for 500 to 1, and finite if the first always wins."""
_REACH: Final = 8.0
_MOST_NODES: Final = 321


@attrs.define
class State:
    """A normal approximation of what is known.

    Attributes:
        precision: Per duel, of the normal factor that stands for its likelihood.
        shift: Per duel, the mean of that factor times its precision.
        ties: The log weight of a tie, per judge that ties.
        discrimination: Per judge.
        spread: The standard deviation of the strengths beyond what scores predict.
        dispersion: What the information is divided by.
        values: The means: items, the slope of the scores, position per judge.
        covariance: Of these.
    """

    precision: Floats
    shift: Floats
    ties: Floats
    discrimination: Floats
    spread: float
    dispersion: float
    values: Floats
    covariance: Floats


@attrs.frozen
class LogOdds:
    """The log odds of each duel, as independent normal values."""

    mean: Floats
    variance: Floats


@attrs.frozen
class Curves:
    """Derivatives of each duel's log likelihood in its log odds and the log weight of ties."""

    slope: Floats
    curvature: Floats
    tied: Floats
    tie_curvature: Floats


@attrs.frozen
class Problem:
    """Duels and what scores say of their items.

    Attributes:
        duels: Those that differ in their items, their order, judge or verdict.
        count: How often there was each.
        evidence: What scores say.
        tying: The judges with at least one tie.
        apart: Items that have no duel with each other, as many as are easily found.
    """

    duels: Duels
    count: Floats
    evidence: ScoreEvidence | None
    tying: Indices
    apart: Indices

    @classmethod
    def of(cls, duels: Duels, evidence: ScoreEvidence | None) -> "Problem":
        """Return the problem of these duels."""
        rows = np.stack([duels.first, duels.second, duels.judge.codes, 2 * duels.first_wins])
        _, kept, count = np.unique(rows, axis=1, return_index=True, return_counts=True)
        once = attrs.evolve(
            duels,
            first=duels.first[kept],
            second=duels.second[kept],
            first_wins=duels.first_wins[kept],
            judge=attrs.evolve(duels.judge, codes=duels.judge.codes[kept]),
        )
        tying = np.unique(duels.judge.codes[duels.first_wins == TIE])
        apart = strangers(once.first, once.second, len(duels.items))
        return cls(once, count.astype(np.float64), evidence, tying, apart)

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

    @property
    def size(self) -> int:
        """How many parameters there are."""
        return self.offset + self.judges

    def start(self) -> State:
        """Return what is known before any duel."""
        duels = len(self.duels.first)
        return State(
            np.full(duels, 1e-3),
            np.zeros(duels),
            np.zeros(len(self.tying)),
            np.ones(self.judges),
            1.0,
            1.0,
            np.zeros(self.size),
            np.zeros((self.size, self.size)),
        )

    def strengths(self, values: Floats) -> Floats:
        """Return the strengths of the items."""
        own = values[: self.items]
        return own if self.evidence is None else own + self.evidence.expected * values[self.items]

    def leads(self, state: State) -> Floats:
        """Return the expected log odds of the first of each duel, without its position."""
        strength = self.strengths(state.values)
        lead = strength[self.duels.first] - strength[self.duels.second]
        return np.asarray(state.discrimination[self.duels.judge.codes] * lead)

    def tie_weights(self, state: State) -> Floats:
        """Return the weight of a tie for each judge."""
        weights = np.zeros(self.judges)
        weights[self.tying] = np.exp(state.ties)
        return weights

    def prior_variances(self, state: State) -> Floats:
        """Return the variance of each item's strength beyond what scores predict."""
        variances = np.full(self.items, state.spread**2)
        if self.evidence is not None:
            variances += float(state.values[self.items]) ** 2 * self.evidence.doubt
        return variances

    def prior(self, state: State) -> Floats:
        """Return the prior precision of each parameter."""
        precision = np.full(self.size, 1 / _NUISANCE_VARIANCE)
        precision[: self.items] = 1 / self.prior_variances(state)
        return precision


def log_odds(problem: Problem, state: State) -> LogOdds:
    """Return the log odds that the first wins each duel, if there are no ties."""
    terms = _terms(problem, state)
    mean = sum(factors * state.values[where] for where, factors in terms)
    variance = sum(
        factors * others * state.covariance[where, elsewhere]
        for where, factors in terms
        for elsewhere, others in terms
    )
    return LogOdds(np.asarray(mean), np.maximum(variance, 1e-12))


def tilted(problem: Problem, state: State, known: LogOdds) -> LogOdds:
    """Return the mean and variance of log odds that are so far known, given their verdict too."""
    values, density = _nodes(known)
    up, down, tie = _weights(problem, state, values)
    lead = (problem.duels.first_wins - 0.5)[:, None] * values - np.abs(values) / 2
    log = np.log(density) + (lead - np.log(up + down + tie)) / state.dispersion
    chance = np.exp(log - log.max(axis=1, keepdims=True))
    chance /= chance.sum(axis=1, keepdims=True)
    mean = (chance * values).sum(axis=1)
    return LogOdds(mean, (chance * (values - mean[:, None]) ** 2).sum(axis=1))


def mean_curves(problem: Problem, state: State) -> Curves:
    """Return the likelihood's derivatives for each duel, averaged over its uncertain log odds."""
    values, density = _nodes(log_odds(problem, state))
    up, down, tie = _weights(problem, state, values)
    total = up + down + tie
    lead, tied = (up - down) / total, tie / total
    return Curves(
        problem.duels.first_wins - 0.5 - (lead @ density) / 2,
        ((1 - tied - lead**2) @ density) / 4,
        tied @ density,
        (tied * (1 - tied)) @ density,
    )


def _nodes(known: LogOdds) -> tuple[Floats, Floats]:
    """Return values of the log odds, and their normal density.

    They are so close that the logistic function, whose poles are pi away, is smooth between them.
    """
    deviation = np.sqrt(known.variance)
    step = min(0.5, 3 / float(deviation.max()))
    count = min(2 * int(np.ceil(_REACH / step)) + 1, _MOST_NODES)
    nodes = np.linspace(-_REACH, _REACH, count)
    density = np.exp(-(nodes**2) / 2)
    return known.mean[:, None] + deviation[:, None] * nodes, density / density.sum()


def _weights(problem: Problem, state: State, values: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the weights of a first win, a second one and a tie at these log odds.

    Only their quotients count: the larger of the first two is 1, whatever the log odds.
    """
    less = np.exp(-np.abs(values))
    up, down = np.where(values > 0, 1.0, less), np.where(values > 0, less, 1.0)
    return up, down, problem.tie_weights(state)[_judges(problem)][:, None] * np.sqrt(less)


def _judges(problem: Problem) -> Indices:
    return problem.duels.judge.codes


def _terms(problem: Problem, state: State) -> list[tuple[Indices, Floats]]:
    """Return which parameters each duel's log odds are a sum of, and their factors."""
    duels, judge = problem.duels, _judges(problem)
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
    return csr_array((entries, (rows, columns)), shape=(duels, problem.size))


def tie_excess(problem: Problem, curves: Curves) -> tuple[Floats, Floats]:
    """Return by how much ties exceed what is expected, per judge that ties, and its variance."""
    judge, size = _judges(problem), problem.judges
    excess = (problem.duels.first_wins == TIE) - curves.tied
    weights = (problem.count * excess, problem.count * curves.tie_curvature)
    sums, variances = (
        np.asarray(np.bincount(judge, weights=each, minlength=size), dtype=np.float64)
        for each in weights
    )
    return sums[problem.tying], variances[problem.tying]
