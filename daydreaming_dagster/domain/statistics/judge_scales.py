"""Each judge's mean and scale, with the scale's sampling error taken into account."""

import attrs
import numpy as np
from scipy.special import polygamma

from daydreaming_dagster.domain.statistics.agreement import NO_NOISE
from daydreaming_dagster.domain.statistics.judgments import Floats, Indices, Scores, sums


@attrs.frozen
class Cells:
    """One row per item and judge: the mean of what this judge gave this item.

    Attributes:
        item: Which item.
        judge: Which judge.
        mean: The mean of the scores.
        count: How many scores.
        within: The sum of the squared deviations from this mean.
    """

    item: Indices
    judge: Indices
    mean: Floats
    count: Floats
    within: Floats

    @property
    def within_df(self) -> int:
        """The degrees of freedom of `within`."""
        return int(self.count.sum()) - len(self.count)


def make_cells(scores: Scores) -> Cells:
    """Return the scores averaged over replicates: each judge has one voice per item."""
    pairs = scores.item.codes * scores.judge.size + scores.judge.codes
    unique, inverse = np.unique(pairs, return_inverse=True)
    count = np.bincount(inverse).astype(np.float64)
    mean = sums(inverse, scores.score, len(unique)) / count
    deviations = scores.score - mean[inverse]
    return Cells(
        unique // scores.judge.size,
        unique % scores.judge.size,
        mean,
        count,
        sums(inverse, deviations**2, len(unique)),
    )


@attrs.frozen
class JudgeScales:
    """What each judge's scores are like.

    Attributes:
        mean: The mean over the items that this judge scored.
        weight: What the deviations from `mean` are multiplied by to have the common scale.
    """

    mean: Floats
    weight: Floats


def judge_scales(cells: Cells, judges: int) -> JudgeScales:
    """Return each judge's mean and scale, and the weights that equate the scales.

    The scale is the standard deviation over items (a z-score's). The log of a standard deviation
    of n normal values has a sampling variance of a quarter of trigamma((n-1)/2), that of the log of
    a chi-squared value (Bartlett and Kendall, "The statistical analysis of variance-heterogeneity
    and the logarithmic transformation", JRSS Supplement 8, 1946). So the logs are shrunk towards
    their mean by the variance that exceeds it (DerSimonian and Laird, "Meta-analysis in clinical
    trials", Controlled Clinical Trials 7, 1986). Judges who use the same scale then get equal
    weights. A judge whose scores are all equal says nothing about scale and gets weight 1.
    """
    count = np.bincount(cells.judge, minlength=judges).astype(np.float64)
    mean = sums(cells.judge, cells.mean, judges) / np.maximum(count, 1)
    squares = (cells.mean - mean[cells.judge]) ** 2
    total = sums(cells.judge, squares, judges)
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.sqrt(total / (count - 1))
    told = (count > 1) & (total > NO_NOISE * count * mean**2)
    weight = np.ones(judges)
    if told.sum() > 1:
        logs = np.log(scale[told])
        shrunk = shrink(logs, polygamma(1, (count[told] - 1) / 2) / 4)
        weight[told] = np.exp(shrunk.mean() - shrunk)
    return JudgeScales(mean, weight)


def shrink(values: Floats, variances: Floats) -> Floats:
    """Return the values shrunk towards their weighted mean (DerSimonian and Laird, 1986).

    Assumes that each has its sampling variance, and that the true ones are spread by a variance
    which is estimated by moments.
    """
    weights = 1 / variances
    mean = (weights @ values) / weights.sum()
    excess = weights @ (values - mean) ** 2 - (len(values) - 1)
    spread = max(0.0, excess / (weights.sum() - (weights**2).sum() / weights.sum()))
    mean = float((values / (spread + variances)).sum() / (1 / (spread + variances)).sum())
    return np.asarray(mean + (values - mean) * spread / (spread + variances))
