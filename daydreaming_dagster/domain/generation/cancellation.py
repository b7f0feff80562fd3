"""Ending a run early without losing what was paid for."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import attrs

from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.ports.language_model import ModelKey

_NOTICED_WITHIN_SECONDS: Final = 0.1


@attrs.define(eq=False)
class StoppedError(DaydreamingError):
    """A model was not called because the run is ending; `reason` says why."""

    reason: str

    def __str__(self) -> str:
        return f"not asked: {self.reason}"


@attrs.define
class CancellationToken:
    """Ends a run early. Any thread and any signal handler may use it.

    `reason` is None while the run goes on, and then the first reason given.
    """

    reason: str | None = attrs.field(default=None, init=False)
    _subscribers: list[Callable[[str], None]] = attrs.field(factory=list, init=False, repr=False)

    def stop(self, reason: str) -> None:
        """End the run: nothing new starts, and calls in flight are finished and stored."""
        if self.reason is None:
            self.reason = reason
            for tell in tuple(self._subscribers):
                tell(reason)

    def subscribe(self, tell: Callable[[str], None]) -> None:
        """Call `tell` with the reason when the run ends, in the thread that ends it."""
        self._subscribers.append(tell)

    def check(self) -> None:
        """Return while the run goes on.

        Raises:
            StoppedError: The run ended.
        """
        if self.reason is not None:
            raise StoppedError(self.reason)

    async def sleep(self, seconds: float) -> None:
        """Return after this time.

        Raises:
            StoppedError: The run ended before or during the wait.
        """
        until = time.monotonic() + seconds
        while True:
            self.check()
            left = until - time.monotonic()
            if left <= 0:
                return
            await asyncio.sleep(min(left, _NOTICED_WITHIN_SECONDS))

    async def wait(self, event: asyncio.Event) -> None:
        """Return when the event is set.

        Raises:
            StoppedError: The run ended before or during the wait.
        """
        self.check()
        while not event.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_NOTICED_WITHIN_SECONDS):
                    await event.wait()
            self.check()


@attrs.define
class ModelCancellations:
    """Ends the calls of all models, or of one. Any thread and any signal handler may use it."""

    _all: CancellationToken = attrs.field(factory=CancellationToken, init=False)
    _of_models: dict[ModelKey, CancellationToken] = attrs.field(factory=dict, init=False)

    def of(self, model: ModelKey) -> CancellationToken:
        """Return the token of a model, which is stopped alone or with all others."""
        token = self._of_models.setdefault(model, CancellationToken())
        if self._all.reason is not None:  # looked at last, because another thread may set it now
            token.stop(self._all.reason)
        return token

    def stop(self, reason: str, model: ModelKey | None = None) -> None:
        """End the calls of a model, or of all."""
        if model is not None:
            self.of(model).stop(reason)
            return
        self._all.stop(reason)
        for token in tuple(self._of_models.values()):
            token.stop(reason)
