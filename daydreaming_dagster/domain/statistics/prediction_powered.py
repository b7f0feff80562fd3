"""What people would say of groups of texts, from some scores of theirs and all of the judges'.

The mean of people's scores of a group's labelled texts is right but noisy; the judges' mean of all
its texts is sure but wrong. Prediction-powered inference corrects the one by the other:
Angelopoulos et al., "Prediction-powered inference", Science 382 (2023); with the slope that makes
the interval shortest: "PPI++: efficient prediction-powered inference", arXiv 2311.01453. Survey
statistics knows it as the regression estimator.

Groups then learn from each other: how far people deviate from the judges in other groups says what
to expect in this one. That is the area model of Fay and Herriot, "Estimates of income for small
places", JASA 74 (1979), on the corrected means.
"""

from typing import Final, Literal

import attrs
import numpy as np
from scipy.special import stdtrit

from daydreaming_dagster.domain.statistics.agreement import NO_NOISE, smallest_step
from daydreaming_dagster.domain.statistics.judgments import (
    Coded,
    Floats,
    Indices,
    JudgmentsError,
    sums,
)
from daydreaming_dagster.formatting import counted

Target = Literal["expected", "unlabelled"]
"""Of which texts the mean is estimated: of all that the group might have, or of those in it that
people did not score."""

_FEWEST_GROUPS: Final = 5
"""With fewer labelled groups, their spread around the line is not known, and none is pooled."""

_SPREADS: Final = 400
"""How many values of the spread are weighed."""


@attrs.frozen
class GroupMeans:
    """The estimated mean score by people, per group.

    Attributes:
        value: The estimate; `nan` where neither labels nor other groups say anything.
        error: Its standard error.
        labelled: How many texts of the group people scored.
        slope: How much people's scores rise with the judges' within a group.
        df: The degrees of freedom of the noise.
    """

    value: Floats
    error: Floats
    labelled: Floats
    slope: float
    df: int

    def interval(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """Return the bounds of each estimate."""
        margin = self.error * stdtrit(self.df, 0.5 + level / 2)
        return self.value - margin, self.value + margin


def group_means(
    group: Coded, judged: Floats, labels: Floats, target: Target = "expected"
) -> GroupMeans:
    """Return what people would give on average to the texts of each group.

    `judged` is the judges' estimate of each text, `labels` is people's score of it, `nan` where
    there is none.

    Assumes that the labelled texts are a random sample of each group's, that people's scores have
    the same slope and spread within each group, and that groups deviate from a common line by
    exchangeable normal amounts. So intervals are right on average over groups; a group that
    deviates far more than others may lie outside more often. The spread of the deviations has a
    half-Cauchy prior whose scale is the noise within groups (Gelman, "Prior distributions for
    variance parameters in hierarchical models", Bayesian Analysis 1, 2006), so that its uncertainty
    counts.

    Raises:
        JudgmentsError: There are too few labels to tell people's noise.
    """
    has_label = ~np.isnan(labels)
    own, of = group.codes, group.codes[has_label]
    count, total = sums(of, np.ones(len(of)), group.size), sums(own, np.ones(len(own)), group.size)
    x, y = judged[has_label], labels[has_label]
    label_mean, label_x = _means(of, y, count), _means(of, x, count)
    df = len(y) - int((count > 0).sum()) - 1
    if df < 1:
        told = f"{counted(len(y), 'text')} of {counted(int((count > 0).sum()), 'group')}"
        raise JudgmentsError(
            f"people scored {told}, too few to correct the judges by them; have more texts scored"
        )
    deviation_x, deviation_y = x - label_x[of], y - label_mean[of]
    squares = float(deviation_x @ deviation_x)
    if squares <= NO_NOISE * float(x @ x):
        squares = 0.0
    slope = float(deviation_x @ deviation_y) / squares if squares > 0 else 0.0
    noise = float(((deviation_y - slope * deviation_x) ** 2).sum()) / df
    if target == "expected":
        mean_x = _means(own, judged, total)
        spread_x = float(((judged - mean_x[own]) ** 2).sum()) / max(len(own) - group.size, 1)
        # Of the group's own texts first; these are a sample of those that it might have.
        seen, added = 1 / total, (noise + slope**2 * spread_x) / total
    else:
        rest = total - count
        mean_x = _means(own[~has_label], judged[~has_label], rest)
        with np.errstate(divide="ignore"):
            seen, added = np.zeros(group.size), noise / rest
    with np.errstate(divide="ignore", invalid="ignore"):
        corrected = label_mean - slope * (label_x - mean_x)
        of_slope = (label_x - mean_x) ** 2 / squares if squares > 0 else np.zeros(group.size)
        variance = noise * (1 / count - seen + np.where(count > 0, of_slope, 0.0))
    if (count > 0).sum() >= _FEWEST_GROUPS and noise > 0:
        corrected, variance = _pooled(corrected, variance, mean_x, noise)
    known = np.isfinite(variance)
    return GroupMeans(
        np.where(known, corrected, np.nan),
        np.where(known, np.sqrt(variance + added), np.nan),
        count,
        slope,
        df,
    )


def _means(codes: Indices, values: Floats, count: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        return np.asarray(sums(codes, values, len(count)) / count)


def _pooled(mean: Floats, variance: Floats, judged: Floats, noise: float) -> tuple[Floats, Floats]:
    """Return the means shrunk towards their line over the judges' means, and their variances.

    They are those of the posterior, averaged over the spread of the groups around the line. Groups
    without a label are on the line. It may be steeper than the slope within groups, where noise of
    the judges flattens it.
    """
    told = np.isfinite(variance)
    line = np.column_stack([np.ones(len(mean)), judged - judged[told].mean()])
    if smallest_step(judged[told]) is None:  # judges who say nothing give no line to be on
        line = line[:, :1]
    own, own_variance = mean[told], variance[told]
    largest = 10 * max(float(own.std()), float(np.sqrt(own_variance.max())))
    weights, means, squares = [], [], []
    for spread in np.linspace(largest / _SPREADS, largest, _SPREADS) ** 2:
        precision = 1 / (spread + own_variance)
        inverse = np.linalg.inv((line[told].T * precision) @ line[told])
        coefficients = inverse @ (line[told].T * precision) @ own
        residual = own - line[told] @ coefficients
        likelihood = np.log(precision).sum() + np.linalg.slogdet(inverse)[1]
        likelihood -= precision @ residual**2
        weights.append(0.5 * likelihood - np.log1p(spread / noise))
        kept, left = np.zeros(len(mean)), np.full(len(mean), spread)
        kept[told] = spread * precision
        left[told] = kept[told] * own_variance
        value = line @ coefficients
        value[told] += kept[told] * residual
        means.append(value)
        of_line = ((line @ inverse) * line).sum(axis=1)
        squares.append(value**2 + left + (1 - kept) ** 2 * of_line)
    weight = np.exp(np.array(weights) - max(weights))
    weight /= weight.sum()
    pooled = weight @ np.array(means)
    return pooled, weight @ np.array(squares) - pooled**2
