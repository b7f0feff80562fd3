"""Which pairs to compare next: those whose order is in doubt where it matters."""

from typing import Final

import attrs
import numpy as np

from daydreaming_dagster.domain.statistics.bradley_terry import DuelFit
from daydreaming_dagster.domain.statistics.judgments import Floats, Indices
from daydreaming_dagster.domain.statistics.score_evidence import ScoreEvidence

_DRAWS: Final = 64
"""How often more draws than pairs are made; pairs that were compared often enough are skipped."""


@attrs.frozen
class Belief:
    """What is known of the strengths: a normal distribution, as a mean and a root of covariance."""

    mean: Floats
    root: Floats


def believe(items: int, fit: DuelFit | None, evidence: ScoreEvidence | None) -> Belief:
    """Return what duels and scores say of the strengths; before any duel, scores alone."""
    if fit is None:
        mean = np.zeros(items) if evidence is None else evidence.expected
        return Belief(mean, np.eye(items))
    values, vectors = np.linalg.eigh(fit.covariance.left)
    return Belief(fit.strength, vectors * np.sqrt(np.maximum(values, 0.0)))


def pairs_in_doubt(belief: Belief, count: int, top: int, seed: int) -> Indices:
    """Return pairs of items to compare, the most useful first; a pair may come several times.

    Each is chosen by a draw from what is known: the items at two neighbouring places among the
    first `top` of the draw. So items that may be among the best are compared with those they may be
    next to, and others are not: Thompson sampling, for duels by Wu and Liu, "Double Thompson
    sampling for dueling bandits", NeurIPS 2016.

    The choice depends on answers alone, so the posterior of `fit_duels` needs no correction for it.
    """
    rng = np.random.default_rng([seed, count])
    items = len(belief.mean)
    last = min(top, items - 1)
    draws = belief.mean + rng.standard_normal((count, items)) @ belief.root.T
    place = rng.integers(last, size=count)
    order = np.argsort(-draws, axis=1, kind="stable")
    rows = np.arange(count)
    return np.stack([order[rows, place], order[rows, place + 1]], axis=1)
