"""A `LanguageModel` that asks another one no more, and no faster, than each model takes."""

import asyncio
import hashlib
import re
import time
from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

import attrs
from filelock import FileLock

from adapters.language_model.concurrency_level import ConcurrencyLevel
from adapters.language_model.file_limits import FileRateLimiter, FileSemaphore
from daydreaming_dagster.domain.catalog import ModelLimits
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.domain.generation.tokens import expected_tokens
from daydreaming_dagster.ports.language_model import (
    LONGEST_WAIT_SECONDS,
    Completion,
    LanguageModel,
    LanguageModelError,
    ModelRequest,
)

_TOO_MANY: Final = (429, 503)
_LOOK_AGAIN_SECONDS: Final = 0.1


@attrs.define
class LimitingLanguageModel:
    """Lets as many calls through to `inner` as each model takes; the others wait their turn.

    Attributes:
        limits: Limits by provider and model. They hold for all processes of this machine that
            use the same `folder` together.
        folder: Where those processes meet. Made when a limit needs it.
        concurrency: How many calls at once a model gets that has no limit of its own; None
            finds it (see `ConcurrencyLevel`).
        longest_wait_seconds: An endpoint that asks for more is not waited for, and not asked.
    """

    inner: LanguageModel
    limits: Mapping[tuple[str, str], ModelLimits]
    folder: Path
    concurrency: int | None = None
    longest_wait_seconds: float = LONGEST_WAIT_SECONDS
    _cancellation: CancellationToken = attrs.field(
        factory=CancellationToken, init=False, repr=False, eq=False
    )
    _gates: "dict[tuple[str, str], _Gate]" = attrs.field(factory=dict, init=False, repr=False)

    async def complete(self, request: ModelRequest) -> Completion:
        """Return the model's answer, when it is its turn; its place is free when it is kept.

        Raises:
            LanguageModelError: As the model behind says, or its endpoint asked, in answer to
                another request, to be left alone for longer than `longest_wait_seconds`.
            StoppedError: The run ended before the request was sent.
        """
        gate = self._gate(request)
        with ExitStack() as place:
            turn = await gate.turn(request, self._cancellation, place)
            try:
                completion = await self.inner.complete(request)
            except LanguageModelError as error:
                if error.status in _TOO_MANY:
                    gate.refused(turn, error.retry_after_seconds or 0.0)
                raise
            await gate.answered(turn, completion)
            if request.kept is not None:
                request.kept.push(place.pop_all())
            return completion

    def stop(self, reason: str) -> None:
        """Let nothing more through."""
        self._cancellation.stop(reason)
        self.inner.stop(reason)

    async def aclose(self) -> None:
        """Release the connections of the model behind."""
        self._gates.clear()
        await self.inner.aclose()

    def _gate(self, request: ModelRequest) -> "_Gate":
        key = request.provider, request.model
        if key not in self._gates:
            limits = self.limits.get(key, ModelLimits())
            folder = self.folder / _file_name(*key)
            self._gates[key] = _Gate.of(limits, self.concurrency, folder, self.longest_wait_seconds)
        return self._gates[key]


@attrs.frozen
class _Turn:
    """A call that is let through: its number, the tokens taken for it, when it began."""

    call: int
    tokens: float
    began: float = attrs.field(factory=time.monotonic)


@attrs.define(eq=False)
class _Gate:
    """The limits of one model."""

    fixed: int | None
    slots: FileSemaphore | None
    requests: FileRateLimiter | None
    tokens: FileRateLimiter | None
    longest_wait_seconds: float
    level: ConcurrencyLevel = attrs.field(factory=ConcurrencyLevel)
    in_flight: int = 0
    free_from: float = 0.0
    longest_answer: int = 0
    waiting: deque[asyncio.Future[None]] = attrs.field(factory=deque)
    first: asyncio.Lock = attrs.field(factory=asyncio.Lock)

    @classmethod
    def of(
        cls, limits: ModelLimits, concurrency: int | None, folder: Path, longest_wait_seconds: float
    ) -> "_Gate":
        if limits != ModelLimits():
            folder.mkdir(parents=True, exist_ok=True)
        slots, requests, tokens = None, None, None
        if limits.concurrency is not None:
            slots = FileSemaphore(folder, limits.concurrency)
        if limits.requests_per_minute is not None:
            requests = FileRateLimiter(folder / "requests", limits.requests_per_minute)
        if limits.tokens_per_minute is not None:
            tokens = FileRateLimiter(folder / "tokens", limits.tokens_per_minute)
        fixed = limits.concurrency or concurrency
        return cls(fixed, slots, requests, tokens, longest_wait_seconds)

    async def turn(
        self, request: ModelRequest, cancellation: CancellationToken, place: ExitStack
    ) -> _Turn:
        """Wait until all limits let a call through; it counts in them until `place` is closed.

        Raises:
            LanguageModelError: The endpoint is to be left alone for too long.
            StoppedError: The run ended meanwhile.
        """
        await self._take_place()
        place.callback(self._give_place)
        # One at a time looks at the files, so that those of this process keep their order.
        async with self.first:
            await self._pause(request, cancellation)
            if self.slots is not None:
                place.callback((await self._take_slot(self.slots, cancellation)).release)
            tokens = await self._take_rates(request, cancellation)
            await self._pause(request, cancellation)  # a refusal may have come meanwhile
        return _Turn(self.level.begin(), tokens)

    def refused(self, turn: _Turn, retry_after_seconds: float) -> None:
        """Note that it was one call too many; all wait as long as the endpoint asks for."""
        self.level.refused(turn.call)
        self.free_from = max(self.free_from, time.monotonic() + retry_after_seconds)

    async def answered(self, turn: _Turn, completion: Completion) -> None:
        """Note an answer, and the tokens that it used in fact."""
        self.level.answered(time.monotonic() - turn.began, limited=bool(self.waiting))
        self.longest_answer = max(self.longest_answer, completion.completion_tokens or 0)
        used = (completion.prompt_tokens or 0) + (completion.completion_tokens or 0)
        if self.tokens is not None and used:
            # The answer was paid for. What is wrong with the file, the next `take` says.
            with suppress(OSError):
                await asyncio.to_thread(self.tokens.charge, used - turn.tokens)

    @property
    def _limit(self) -> int:
        return self.level.limit if self.fixed is None else self.fixed

    async def _take_place(self) -> None:
        if self.in_flight < self._limit and not self.waiting:
            self.in_flight += 1
            return
        place = asyncio.get_running_loop().create_future()
        self.waiting.append(place)
        try:
            await place  # `_give_place` counts it
        except asyncio.CancelledError:
            if not place.cancelled():
                self._give_place()
            elif place in self.waiting:
                self.waiting.remove(place)
            raise

    def _give_place(self) -> None:
        self.in_flight -= 1
        while self.waiting and self.in_flight < self._limit:
            place = self.waiting.popleft()
            if not place.cancelled():
                self.in_flight += 1
                place.set_result(None)

    async def _take_rates(self, request: ModelRequest, cancellation: CancellationToken) -> float:
        """Return the tokens that were taken."""
        tokens = float(sum(expected_tokens(request, self.longest_answer)))
        for rate, amount in ((self.requests, 1.0), (self.tokens, tokens)):
            while rate and (wait := await asyncio.to_thread(rate.take, amount)):
                # An answer that is shorter than expected gives back what it did not use.
                await cancellation.sleep(min(wait, _LOOK_AGAIN_SECONDS))
        return tokens

    async def _pause(self, request: ModelRequest, cancellation: CancellationToken) -> None:
        """Return when the endpoint may be asked again; another refusal may come meanwhile."""
        while True:
            pause = self.free_from - time.monotonic()
            if pause > self.longest_wait_seconds:
                raise LanguageModelError(
                    f"{request.model} was not asked: its endpoint refuses all for another "
                    f"{pause:.0f} s; run it again then",
                    retryable=True,
                    retry_after_seconds=pause,
                    of_endpoint=True,
                )
            await cancellation.sleep(pause)
            if self.free_from <= time.monotonic():
                return

    async def _take_slot(self, slots: FileSemaphore, cancellation: CancellationToken) -> FileLock:
        while (slot := await asyncio.to_thread(slots.take)) is None:
            await cancellation.sleep(_LOOK_AGAIN_SECONDS)
        return slot


def prepare_limits(limits: Mapping[tuple[str, str], ModelLimits], folder: Path) -> None:
    """Make the folders that these limits are kept in, where there are any limits.

    Raises:
        OSError: One cannot be made, or takes no files.
    """
    for key, of_model in limits.items():
        if of_model != ModelLimits():
            place = folder / _file_name(*key)
            place.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=place):
                pass


def _file_name(provider: str, model: str) -> str:
    """Return a name that tells models apart and a person what it is."""
    digest = hashlib.sha256(f"{provider}\n{model}".encode()).hexdigest()[:12]
    return f"{re.sub(r'[^A-Za-z0-9.-]+', '-', f'{provider}-{model}')[:60]}-{digest}"
