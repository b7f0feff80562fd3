"""Decides when a model is called again that takes no calls."""

import time
from collections.abc import Callable
from random import uniform
from typing import Final

import attrs

FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_SECONDS: Final = 30.0
_DOUBLINGS: Final = 5
_NEWS_SECONDS: Final = 0.5
"""Pauses that end closer together are the same."""


def _jitter() -> float:
    """Return a factor that keeps the processes of a machine from probing at the same moment."""
    return uniform(0.75, 1.0)  # noqa: S311  no secret


@attrs.define
class Pause:
    """Lets no call through for a while after a refusal, and then a single one, the probe.

    Each refusal of a call that began after the pause doubles the pause, up to half a minute. Any
    answer ends the probing. This is a circuit breaker that is half open while it probes (M. Nygard,
    Release It!, 2nd edition, section 5.2).

    Attributes:
        patience_seconds: The longest time without any answer. After it, calls fail until the
            current pause is over.
        first_seconds: The length of the first pause, unless the endpoint asks for a longer one.
        clock: Returns the time in seconds.
        jitter: Returns the factor by which a pause is shortened.
    """

    patience_seconds: float
    first_seconds: float = FIRST_PAUSE_SECONDS
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = _jitter
    _until: float = attrs.field(default=0.0, init=False)
    _since: float | None = attrs.field(default=None, init=False)
    _refusals: int = attrs.field(default=0, init=False)
    _begun: int = attrs.field(default=0, init=False)
    _paused_at: int = attrs.field(default=0, init=False)
    _probe: int | None = attrs.field(default=None, init=False)

    @property
    def seconds(self) -> float:
        """How long no call may be sent, 0 or less if one may."""
        return self._until - self.clock()

    @property
    def probing(self) -> bool:
        """Whether the outcome of a probe decides if other calls may be sent."""
        return self._probe is not None

    @property
    def hopeless(self) -> bool:
        """Whether the pause is longer than the patience allows, so that calls have to fail."""
        return (
            self._since is not None
            and self.seconds > 0
            and self._until > self._since + self.patience_seconds
        )

    def begin(self, call: int) -> None:
        """Note that a call is sent; each has a larger number than the one before."""
        self._begun = call
        if self._refusals:
            self._probe = call

    def refused(self, call: int, asked_seconds: float) -> None:
        """Note that the endpoint took no call, and for how long it asked to send none."""
        now = self.clock()
        if self._since is None:
            self._since = now
        self._until = max(self._until, now + asked_seconds)
        if call <= self._paused_at:  # it was sent before the pause began
            return
        doubled = self.first_seconds * 2.0 ** min(self._refusals, _DOUBLINGS)
        grown = min(doubled, _LONGEST_SECONDS) * self.jitter()
        deadline = self._since + self.patience_seconds
        if now < deadline < now + grown:
            grown = deadline - now  # one last probe
        self._until = max(self._until, now + grown)
        self._refusals += 1
        self._paused_at = self._begun

    def heard(self, seconds: float) -> bool:
        """Note that the endpoint asked for a pause of so long; return whether that is news."""
        if seconds < max(self.seconds, 0.0) + _NEWS_SECONDS:
            return False
        now = self.clock()
        if self._since is None:
            self._since = now
        self._until = now + seconds
        if not self._refusals:  # after it, one call probes here, too
            self._refusals = 1
            self._paused_at = self._begun
        return True

    def answered(self) -> None:
        """Note that the endpoint takes calls."""
        self._refusals = 0
        self._since = None
        self._probe = None

    def ended(self, call: int) -> None:
        """Note that a call ended, whatever its outcome. If it was the probe, another one may be."""
        if call == self._probe:
            self._probe = None
