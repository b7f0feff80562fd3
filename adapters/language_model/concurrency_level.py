"""How many calls a model is given at once, where nobody says it."""

from statistics import fmean
from typing import Final

import attrs

_FIRST: Final = 4.0
_MOST: Final = 256.0
_SLOWER: Final = 2.0
"""By how much a round may be slower than the best one before the level goes down."""
_FORGET: Final = 1.05
"""How much the best round fades with each round, since answers of later stages take longer."""


@attrs.define
class ConcurrencyLevel:
    """Finds how many calls at once a model takes: up by what is answered, down when it is refused.

    It begins with 4 and doubles with each round of answers until the endpoint refuses one for
    being too many (429, 503) or a round takes twice as long as the best one so far; from then
    on it grows by one a round. A refusal halves it, a slow round takes a quarter. This is
    the additive increase and multiplicative decrease of TCP (RFC 5681, section 3.1).
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
        """How many calls may be under way, at least 1."""
        return int(self._level)

    def begin(self) -> int:
        """Return the number of a call that begins, for `refused`."""
        self._begun += 1
        return self._begun

    def answered(self, seconds: float, *, limited: bool) -> None:
        """Note an answer and how long it took; `limited` says that other calls had to wait."""
        if limited:  # a level that is not used up proves nothing
            self._level = min(_MOST, self._level + (1 if self._doubles else 1 / self._level))
        self._round.append(seconds)
        if len(self._round) >= self._round_size:
            self._end_round(fmean(self._round))

    def refused(self, call: int) -> None:
        """Note that a call was one too many. Those that began before the last cut do not count."""
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
