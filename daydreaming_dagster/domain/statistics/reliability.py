"""How well one score, and the mean of an item's scores, tells items apart."""

import attrs
import numpy as np
from scipy.special import fdtri

from daydreaming_dagster.domain.statistics.agreement import (
    NO_NOISE,
    least_variance,
    smallest_step,
)
from daydreaming_dagster.domain.statistics.judgments import Floats, Indices, Scores


@attrs.frozen
class Reliability:
    """An intraclass correlation with its interval; `nan` where there is too little to tell.

    Attributes:
        value: The correlation of two scores of the same item.
        low: Lower bound.
        high: Upper bound.
        mean: That of the means of as many scores as an item has.
        scores_per_item: How many that is, with unequal numbers in the place of which it stands.
    """

    value: float
    low: float
    high: float
    mean: float
    scores_per_item: float


def one_way_icc(scores: Scores) -> Reliability:
    """Return ICC(1): items are random, and who judged is ignored, so strictness counts as noise.

    Shrout and Fleiss, "Intraclass correlations: uses in assessing rater reliability", Psychological
    Bulletin 86 (1979). Items with unequal numbers of scores: Donner, "A review of inference
    procedures for the intraclass correlation coefficient in the one-way random effects model",
    International Statistical Review 54 (1986), whose interval is exact only for equal numbers and
    normal scores.
    """
    return _icc(scores.item.codes, scores.score, scores.item.size, 0)


def adjusted_icc(item: Indices, score: Floats, items: int, judges: int) -> Reliability:
    """Return the ICC of scores from which the judges' means and scales were taken out.

    That is ICC(3,1) of Shrout and Fleiss if each judge scored each item once.
    """
    return _icc(item, score, items, judges - 1)


def _icc(item: Indices, score: Floats, items: int, spent: int) -> Reliability:
    counts = np.bincount(item, minlength=items).astype(np.float64)
    total = counts.sum()
    between_df, within_df = items - 1, len(score) - items - spent
    if between_df < 1 or within_df < 1:
        return Reliability(np.nan, np.nan, np.nan, np.nan, float(total / items))
    means = np.bincount(item, weights=score, minlength=items) / counts
    between = float(counts @ (means - score.mean()) ** 2) / between_df
    within = float(((score - means[item]) ** 2).sum()) / within_df
    per_item = float((total - (counts**2).sum() / total) / between_df)
    if within <= NO_NOISE * float((score**2).max()):
        step = smallest_step(means)
        if step is None:
            return Reliability(np.nan, np.nan, np.nan, np.nan, per_item)
        within = least_variance(step, within_df)
    ratio = between / within

    def icc(f: float) -> float:
        return (f - 1) / (f + per_item - 1)

    low = icc(ratio / float(fdtri(between_df, within_df, 0.975)))
    high = icc(ratio / float(fdtri(between_df, within_df, 0.025)))
    return Reliability(icc(ratio), low, high, 1 - 1 / ratio if ratio > 0 else np.nan, per_item)
