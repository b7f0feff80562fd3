"""Finds how many concurrent calls a model takes, if no limit is set."""

from statistics import fmean
from typing import Final

import attrs

_FIRST: Final = 4.0
_MOST: Final = 256.0
_SLOWER: Final = 2.0
"""How many times slower than the best round a round may be before the level decreases."""
_FORGET: Final = 1.05
"""The factor by which the best time is raised each round: later stages take longer."""


@attrs.define
class ConcurrencyLevel:
    """The number of concurrent calls: answers raise it, refusals lower it.

    It starts at 4 and doubles each round of answers, until the endpoint refuses a call for being
    too many (429, 503) or a round takes twice as long as the best one. From then on it grows by one
    per round. A refusal halves it, a slow round takes off a quarter. This is TCP's additive
    increase and multiplicative decrease (RFC 5681, section 3.1).
    """

    _level: float = _FIRST
    _doubles: bool = attrs.field(default=True, init=False)
    _begun: int = attrs.field(default=0, init=False)
    _cut_at: int = attrs.field(default=0, init=False)
    _round: list[float] = attrs.field(factory=list, init=False, repr=False)
    _round_size: int = attrs.field(default=int(_FIRST), init=False)
    _best_seconds: float | None = attrs.field(default=None, init=False)

    @property
    def limit(self) -> int:
        """How many calls may be in flight, at least 1."""
        return int(self._level)

    def begin(self) -> int:
        """Note that a call starts, and return its number for `refused`."""
        self._begun += 1
        return self._begun

    def answered(self, seconds: float, *, limited: bool) -> None:
        """Note an answer and its duration; `limited` says that other calls had to wait."""
        if limited:  # if the level is not reached, an answer proves nothing about it
            self._level = min(_MOST, self._level + (1 if self._doubles else 1 / self._level))
        self._round.append(seconds)
        if len(self._round) >= self._round_size:
            self._end_round(fmean(self._round))

    def refused(self, call: int) -> None:
        """Note that a call was one too many, unless it started before the last decrease."""
        if call > self._cut_at:
            self._cut(0.5, least=1.0)

    def _end_round(self, seconds: float) -> None:
        if self._best_seconds is not None and seconds > _SLOWER * self._best_seconds:
            self._cut(0.75, least=_FIRST)
        fading = seconds if self._best_seconds is None else self._best_seconds * _FORGET
        self._best_seconds = min(seconds, fading)
        self._begin_round()

    def _cut(self, share: float, *, least: float) -> None:
        self._level = min(self._level, max(least, self._level * share))
        self._doubles = False
        self._cut_at = self._begun
        self._begin_round()

    def _begin_round(self) -> None:
        self._round.clear()
        self._round_size = self.limit
