"""Numbers with their 95 % intervals, from few values: means, shares, correlations, slopes."""

import math
from collections.abc import Sequence
from typing import Final

import attrs
import numpy as np
from scipy.special import stdtrit

from daydreaming_dagster.domain.statistics.judgments import Floats

_NORMAL: Final = 1.959964
_SPREAD: Final = 1e-12
"""What varies by less varies by rounding alone."""


@attrs.frozen
class Measure:
    """A number with its 95 % interval; None where too little is known.

    Attributes:
        value: The estimate.
        low: The lower bound.
        high: The upper bound.
        n: How many texts, pairs or duels it rests on.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0


def around(value: float, margin: float, n: int, least: float = -math.inf) -> Measure:
    """Return a measure with a symmetric interval, cut at `least`."""
    return Measure(value, max(value - margin, least), value + margin, n)


def mean_of(values: Floats) -> Measure:
    """Return the mean, with Student's interval; none if the values do not differ.

    Equal scores on a coarse scale do not say that the next one is equal too.
    """
    n = len(values)
    if n < 2:  # noqa: PLR2004  one value has no spread
        return Measure(n=n)
    if np.ptp(values) <= _SPREAD:
        return Measure(float(values.mean()), None, None, n)
    error = float(values.std(ddof=1)) / math.sqrt(n)
    return around(float(values.mean()), float(stdtrit(n - 1, 0.975)) * error, n)


def difference_of(first: Floats, second: Floats) -> Measure:
    """Return the mean of the first minus that of the second (Welch, Biometrika 34, 1947)."""
    n = len(first) + len(second)
    if min(len(first), len(second)) < 2:  # noqa: PLR2004  one value has no spread
        return Measure(n=n)
    parts = [float(part.var(ddof=1)) / len(part) for part in (first, second)]
    total = sum(parts)
    value = float(first.mean() - second.mean())
    if total <= _SPREAD:
        return Measure(value, None, None, n)
    df = total**2 / sum(
        part**2 / (len(of) - 1) for part, of in zip(parts, (first, second), strict=True)
    )
    return around(value, float(stdtrit(df, 0.975)) * math.sqrt(total), n)


def share_of(count: int, n: int) -> Measure:
    """Return a share with the interval of Wilson (JASA 22, 1927)."""
    if n == 0:
        return Measure()
    share, square = count / n, _NORMAL**2 / n
    center = (share + square / 2) / (1 + square)
    margin = math.sqrt(share * (1 - share) * square + square**2 / 4) / (1 + square)
    # Rounding must not leave the share itself outside.
    return Measure(share, min(center - margin, share), max(center + margin, share), n)


def correlation_of(first: Floats, second: Floats) -> Measure:
    """Return Pearson's correlation with the interval of Fisher's z (Metron 1, 1921).

    A correlation of 1 or -1 has none: a few values on a coarse scale may lie on a line by chance.
    """
    n = len(first)
    if n < 4 or min(np.ptp(first), np.ptp(second)) <= _SPREAD:  # noqa: PLR2004  n - 3 is under a root
        return Measure(n=n)
    value = float(np.clip(np.corrcoef(first, second)[0, 1], -1.0, 1.0))
    if 1 - abs(value) <= _SPREAD:
        return Measure(value, None, None, n)
    z = math.atanh(value)
    margin = _NORMAL / math.sqrt(n - 3)
    return Measure(value, math.tanh(z - margin), math.tanh(z + margin), n)


def slope_of(x: Floats, y: Floats) -> Measure:
    """Return how much y rises with x by least squares, with Student's interval.

    Values that lie on a line have none.
    """
    n = len(x)
    centred = x - x.mean() if n else x
    squares = float(centred @ centred)
    if n < 4 or squares <= _SPREAD:  # noqa: PLR2004  two degrees of freedom for the noise
        return Measure(n=n)
    slope = float(centred @ y) / squares
    residuals = y - y.mean() - slope * centred
    if np.abs(residuals).max() <= _SPREAD:
        return Measure(slope, None, None, n)
    error = math.sqrt(float(residuals @ residuals) / (n - 2) / squares)
    return around(slope, float(stdtrit(n - 2, 0.975)) * error, n)


def ties_of(scores: Sequence[Sequence[float]]) -> Measure:
    """Return the share of pairs of texts whose scores are equal, with the jackknife's interval.

    `scores` are those of each text. Of a pair with several, the share is that of all its pairs of
    scores: means would hide that the judge gives the same number again and again. If leaving out
    any text changes nothing, there is no interval.
    """
    n = len(scores)
    if n < 3:  # noqa: PLR2004  leaving one out must leave a pair
        return Measure(n=n)
    given = np.concatenate([np.asarray(of_text, dtype=np.float64) for of_text in scores])
    levels, codes = np.unique(np.round(given, 9), return_inverse=True)
    text = np.repeat(np.arange(n), [len(of_text) for of_text in scores])
    shares = np.bincount(text * len(levels) + codes, minlength=n * len(levels)).astype(np.float64)
    shares = shares.reshape(n, -1) / np.bincount(text)[:, None]
    with_others = (shares * (shares.sum(axis=0) - shares)).sum(axis=1)
    equal = float(with_others.sum()) / 2
    without = (equal - with_others) / ((n - 1) * (n - 2) / 2)
    value = equal / (n * (n - 1) / 2)
    error = math.sqrt((n - 1) / n * float(((without - without.mean()) ** 2).sum()))
    if error <= _SPREAD:
        return Measure(value, None, None, n)
    found = around(value, _NORMAL * error, n, least=0.0)
    return attrs.evolve(found, high=min(value + _NORMAL * error, 1.0))


def standardised(values: Floats) -> Floats:
    """Return the values with mean 0 and standard deviation 1; all 0 if they are equal."""
    spread = float(values.std()) if len(values) else 0.0
    centred = values - values.mean() if len(values) else values
    return centred / spread if spread > _SPREAD else np.zeros(len(values))
