"""What scores say of the strengths of the same items, so that duels and scores make one model."""

from collections.abc import Sequence

import attrs
import numpy as np

from daydreaming_dagster.domain.statistics.agreement import smallest_step
from daydreaming_dagster.domain.statistics.judge_model import fit_scores
from daydreaming_dagster.domain.statistics.judgments import Floats, Indices, Scores


@attrs.frozen
class ScoreEvidence:
    """How an item's strength is distributed before any duel: around `slope * expected`.

    Its variance is that of the strengths which scores do not predict, plus `slope**2 * doubt`. The
    slope and the former variance are estimated with the strengths (`fit_duels`).

    Attributes:
        expected: What the scores make of each item, less reliable ones shrunk more, in standard
            deviations; 0 without a score.
        doubt: How much less sure that is than for the item with the surest score.
        component: Items with scores that can be compared have the same number; -1 without a score.
        scale: The standard deviation, in units of the scores.
    """

    expected: Floats
    doubt: Floats
    component: Indices
    scale: float


def make_evidence(items: Sequence[str], scores: Scores) -> ScoreEvidence | None:
    """Return what the scores say of these items; None if they do not tell one from another.

    True scores and strengths are taken as bivariate normal, estimates of scores as normal around
    the true ones with the variances of `fit_scores`. Given its estimated score, the strength of an
    item is then normal: the best linear predictor of Henderson, "Best linear unbiased estimation
    and prediction under a selection model", Biometrics 31 (1975), times a slope that all items
    share. If all scores are equally sure, their reliability is part of that slope, and nothing is
    assumed of it. Otherwise the variance of the true scores is estimated by moments.

    Scores of items that are not among these are left out, once the judges' means are known.
    """
    fit = fit_scores(scores)
    place = {name: number for number, name in enumerate(scores.item.names)}
    scored = np.array([name in place for name in items], dtype=np.bool_)
    chosen = np.array([place[name] for name in items if name in place], dtype=np.int64)
    if smallest_step(fit.estimate[chosen]) is None:  # none to tell apart
        return None
    # What all estimates share, such as the strictness of judges who scored everything, is no doubt
    # about any of them.
    estimate, error = fit.estimate[chosen], fit.covariance.centred_variances()[chosen]
    true = max(float(estimate.var(ddof=1) - error.mean()), 0.0)
    total = true + error
    if total.min() <= 0:  # the estimates agree exactly, so all are equally sure
        total = np.ones_like(total)
    expected = (estimate - estimate.mean()) * total.mean() / total
    scale = float(expected.std())
    sureness = np.zeros(len(items))
    sureness[scored] = (total.mean() / scale) ** 2 / total
    shown = np.zeros(len(items))
    shown[scored] = expected / scale
    component = np.full(len(items), -1)
    component[scored] = fit.component[chosen]
    return ScoreEvidence(shown, sureness.max() - sureness, component, scale)
