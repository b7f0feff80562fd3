"""What a design can tell apart, before anything is paid for."""

from typing import Final

import numpy as np

from daydreaming_dagster.formatting import plural

DEFAULT_ICC: Final = 0.19
"""How two experts' scores of the novelty of a research idea correlate (Si, Yang and Hashimoto,
"Can LLMs generate novel research ideas?", arXiv 2409.04109)."""

_EXPERIMENTS: Final = 4000


def chance_that_the_best_comes_first(
    items: int, scores_per_item: float, icc: float = DEFAULT_ICC
) -> float:
    """Return how probably the item with the highest mean score is the truly best one.

    By simulation. Assumes that true values and errors are normal, that errors are independent, and
    that two scores of an item correlate by `icc`. The error of a mean is then that of Spearman and
    Brown's formula.
    """
    rng = np.random.default_rng(0)
    right = 0
    error = np.sqrt((1 - icc) / scores_per_item)
    for rows in np.array_split(np.arange(_EXPERIMENTS), 16):
        truth = np.sqrt(icc) * rng.standard_normal((len(rows), items))
        mean = truth + error * rng.standard_normal(truth.shape)
        right += int((truth.argmax(axis=1) == mean.argmax(axis=1)).sum())
    return right / _EXPERIMENTS


def say_what_can_be_told(items: int, scores: int, kind: str) -> str:
    """Return what so many scores of so many items tell, and what four times as many would."""
    each = scores / items
    now = chance_that_the_best_comes_first(items, each)
    more = chance_that_the_best_comes_first(items, 4 * each)
    return (
        f"with {items:,} {plural(kind)} and {each:.3g} scores each, the truly best comes first with"
        f" probability {now:.2f}; {3 * each:.3g} more scores each give {more:.2f} (assumed: two"
        f" scores of one {kind} correlate by {DEFAULT_ICC}, as experts' of research ideas do)"
    )
