"""Bringing the scores of a new judge to the scale of an old one, by texts that both scored."""

from typing import Final

import attrs
import numpy as np

from daydreaming_dagster.domain.statistics.judgments import Floats, JudgmentsError
from daydreaming_dagster.domain.statistics.measures import Measure, correlation_of

FEWEST_ANCHORS: Final = 20
LEAST_CORRELATION: Final = 0.5
"""Judges that agree less do not measure the same, whatever their scales."""


@attrs.frozen
class Equating:
    """The line from the new judge's scale to the old one's: `intercept + slope * score`.

    Attributes:
        slope: How many steps of the old scale one step of the new one is.
        intercept: What 0 of the new judge is on the old scale.
        error: The standard deviation of an equated score around the old judge's.
        correlation: That of both judges on the anchors.
    """

    slope: float
    intercept: float
    error: float
    correlation: Measure

    def __call__(self, scores: Floats) -> Floats:
        """Return scores of the new judge on the old one's scale."""
        return self.intercept + self.slope * scores


def equate(old: Floats, new: Floats) -> Equating:
    """Return the linear equating of two judges' mean scores of the same texts, the anchors.

    Means and standard deviations are made equal, not regressed: a regression would pull the new
    judge's scores together (Kolen and Brennan, "Test equating, scaling, and linking", 2014,
    chapter 2). Assumes that the anchors are like the texts whose scores are equated.

    Raises:
        JudgmentsError: There are too few anchors, a judge gave all the same score, or it is not
            certain (95 %) that the judges correlate by `LEAST_CORRELATION`.
    """
    if len(old) < FEWEST_ANCHORS:
        raise JudgmentsError(
            f"both judges scored {len(old)} texts; let them score at least {FEWEST_ANCHORS}"
        )
    correlation = correlation_of(old, new)
    if correlation.value is None:
        raise JudgmentsError("one of the judges gave every text the same score")
    # So many texts on a line need no interval.
    low = correlation.value if correlation.low is None else correlation.low
    if low < LEAST_CORRELATION:
        raise JudgmentsError(
            f"they correlate by {correlation.value:.2f} (at least {low:.2f}, with 95 %"
            f" confidence) and need {LEAST_CORRELATION:g}: they do not measure the same, so let one"
            " of them judge all texts"
        )
    slope = float(old.std(ddof=1) / new.std(ddof=1))
    intercept = float(old.mean() - slope * new.mean())
    error = float(np.sqrt(((old - intercept - slope * new) ** 2).sum() / (len(old) - 2)))
    return Equating(slope, intercept, error, correlation)
