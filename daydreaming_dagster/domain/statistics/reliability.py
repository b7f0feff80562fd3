"""How well one score, and the mean of an item's scores, tells items apart."""

from typing import Final, NamedTuple

import attrs
import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.special import fdtri

from daydreaming_dagster.domain.statistics.agreement import (
    NO_NOISE,
    least_variance,
    smallest_step,
)
from daydreaming_dagster.domain.statistics.judge_scales import judge_scales, make_cells
from daydreaming_dagster.domain.statistics.judgments import Floats, Indices, Scores, sums

_LARGEST: Final = 0.9999
"""The highest correlation that is looked for."""
_BELOW: Final = 1.9207
"""Half the 95 % quantile of chi squared with one degree of freedom."""


@attrs.frozen
class Reliability:
    """An intraclass correlation with its interval; `nan` where there is too little to tell.

    Attributes:
        value: The correlation of two scores of the same item. -1 if they differ so much more than
            the items' means that the estimate would be below, as with unequal numbers it can be.
        low: Lower bound; `nan` if the items' means are too alike for an interval.
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


class Icc(NamedTuple):
    """A correlation of two scores of an item with its 95 % interval; `nan` if it has none."""

    value: float
    low: float
    high: float


def single_score_icc(scores: Scores) -> Icc | None:
    """Return how two scores of an item correlate, who judged ignored; None if nothing shows it.

    If all items have as many scores, it is that of `one_way_icc`. Else it is found by restricted
    maximum likelihood, from 0 to 1 (Patterson and Thompson, "Recovery of inter-block information
    when block sizes are unequal", Biometrika 58, 1971). That also holds where items were scored
    more often for what they scored at first (Rubin, "Inference and missing data", Biometrika 63,
    1976), if all items are given, those with one score, too. An analysis of variance would see the
    chosen items, which are alike. The interval is then that of the likelihood's profile. Assumes
    normal scores.
    """
    item, size = scores.item.codes, scores.item.size
    counts = np.bincount(item, minlength=size).astype(np.float64)
    if np.ptp(counts) == 0:
        same = one_way_icc(scores)
        return Icc(same.value, same.low, same.high) if np.isfinite(same.value) else None
    means = sums(item, scores.score, size) / counts
    within_df = len(item) - size
    within = _within(scores.score, item, means, within_df)
    if within is None:
        return None
    return _likely_icc(_RandomItems(counts, means, within * within_df, 1))


def replicate_weights(scores: Scores) -> Floats:
    """Return how much each score counts, if replicates by one judge are no independent judgments.

    All are 1 if each judge scored each item equally often. Else a mean of n scores that correlate
    by r counts `1 / (r + (1 - r) / n)`, as its variance demands; without that, what was scored
    often would stand for all. `r` is its mean over the restricted likelihood without the judges'
    means: the most likely one of few items is often 0.
    """
    cells = make_cells(scores)
    if np.ptp(cells.count) == 0:
        return np.ones(len(scores.score))
    judges = scores.judge.size
    means = cells.mean - judge_scales(cells, judges).mean[cells.judge]
    r, within = 1.0, float(cells.within.sum())
    if len(means) > judges and within > NO_NOISE * float((scores.score**2).sum()):
        r = _RandomItems(cells.count, means, within, judges).mean_icc()
    pairs = cells.item * judges + cells.judge
    n = cells.count[np.searchsorted(pairs, scores.item.codes * judges + scores.judge.codes)]
    return np.asarray(1 / (1 + r * (n - 1)))


@attrs.frozen
class _RandomItems:
    """Items with a normal distribution, each with the mean of some scores.

    Attributes:
        counts: How many scores each has.
        means: Their means.
        within: The sum of the squares around them.
        fixed: How many means of the whole were estimated.
    """

    counts: Floats
    means: Floats
    within: float
    fixed: int

    def loss(self, icc: float) -> float:
        """Return the negative logarithm of the restricted likelihood, up to a constant."""
        variance = icc / (1 - icc) + 1 / self.counts
        weights = 1 / variance
        centre = float(weights @ self.means / weights.sum())
        squares = float(weights @ (self.means - centre) ** 2) + self.within
        free = float(self.counts.sum()) - self.fixed
        logs = float(np.log(variance).sum() + np.log(weights.sum()))
        return (logs + free * float(np.log(squares))) / 2

    def mean_icc(self) -> float:
        """Return the mean of the correlation over its likelihood."""
        grid = np.linspace(0.0, _LARGEST, 200)
        losses = np.array([self.loss(icc) for icc in grid])
        return float(np.average(grid, weights=np.exp(losses.min() - losses)))


def _likely_icc(items: _RandomItems) -> Icc:
    value = float(minimize_scalar(items.loss, bounds=(0.0, _LARGEST), method="bounded").x)
    if items.loss(0.0) <= items.loss(value):
        value = 0.0
    most = items.loss(value) + _BELOW

    def beyond(icc: float) -> float:
        return items.loss(icc) - most

    low = float(brentq(beyond, 0.0, value)) if beyond(0.0) > 0 else 0.0
    high = float(brentq(beyond, value, _LARGEST)) if beyond(_LARGEST) > 0 else 1.0
    return Icc(value, low, high)


def _within(score: Floats, item: Indices, means: Floats, df: int) -> float | None:
    """Return the variance of scores within items; None if all scores are the same."""
    variance = float(((score - means[item]) ** 2).sum()) / df
    if variance > NO_NOISE * float((score**2).max()):
        return variance
    step = smallest_step(means)
    return None if step is None else least_variance(step, df)


def _icc(item: Indices, score: Floats, items: int, spent: int) -> Reliability:
    counts = np.bincount(item, minlength=items).astype(np.float64)
    total = counts.sum()
    between_df, within_df = items - 1, len(score) - items - spent
    if between_df < 1 or within_df < 1:
        return Reliability(np.nan, np.nan, np.nan, np.nan, float(total / items))
    means = np.bincount(item, weights=score, minlength=items) / counts
    between = float(counts @ (means - score.mean()) ** 2) / between_df
    within = _within(score, item, means, within_df)
    per_item = float((total - (counts**2).sum() / total) / between_df)
    if within is None:
        return Reliability(np.nan, np.nan, np.nan, np.nan, per_item)
    ratio = between / within

    def icc(f: float) -> float:
        return max((f - 1) / (f + per_item - 1), -1.0)

    low = icc(ratio / float(fdtri(between_df, within_df, 0.975)))
    high = icc(ratio / float(fdtri(between_df, within_df, 0.025)))
    if high == -1.0 or between <= NO_NOISE * float((score**2).max()):
        return Reliability(icc(ratio), np.nan, np.nan, np.nan, per_item)
    return Reliability(icc(ratio), low, high, max(1 - 1 / ratio, -1.0), per_item)
