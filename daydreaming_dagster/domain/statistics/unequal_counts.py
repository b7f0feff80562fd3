"""Whether items were scored about equally often. Imports no numpy."""

from collections.abc import Collection
from statistics import fmean, harmonic_mean
from typing import Final

UNEQUAL: Final = 2
"""How much less than their mean the harmonic mean of numbers of scores may be.

Missing scores seldom make it less; a stop rule, which scores items in doubt over and over, does.
"""


def are_unequal(counts: Collection[int]) -> bool:
    """Return whether these numbers of scores differ too much for their mean to stand for them."""
    return UNEQUAL * harmonic_mean(counts) < fmean(counts)
