"""The noise of judgments that agree exactly."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Final

NO_NOISE: Final = 1e-18
"""A variance below this share of the squared scores is rounding."""

ROUNDING: Final = 1e-9
"""Scores that differ by less than this share of their size are the same."""


def smallest_step(scores: Iterable[float]) -> float | None:
    """Return the smallest difference between two of the scores; None if all are the same."""
    ordered = sorted(scores)
    least = ROUNDING * max(-ordered[0], ordered[-1]) if ordered else 0.0
    return min(
        (after - one for one, after in pairwise(ordered) if after - one > least), default=None
    )


def least_variance(step: float, repeats: int) -> float:
    """Return the variance of a judgment if `repeats` judgments all agreed with an earlier one.

    A next one differs with probability 1 / (repeats + 2), by Laplace's rule of succession ("Essai
    philosophique sur les probabilités", 1814), and then by a step of the scale at least. The
    variance of a judgment is half of the mean squared difference of two. A single disagreement
    among the repeats would show more than this.

    Assumes that, before any repeat, each probability of a difference was as likely as another.
    """
    return step**2 / (2 * (repeats + 2))
