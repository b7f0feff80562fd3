"""A `LanguageModel` that keeps the calls to another one within each model's limits."""

import asyncio
import hashlib
import re
import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

import attrs
from filelock import FileLock, lock_descriptor

from adapters.language_model.concurrency_level import ConcurrencyLevel
from adapters.language_model.file_limits import FileRateLimiter, FileSemaphore
from adapters.language_model.pause import FIRST_PAUSE_SECONDS, Pause
from adapters.language_model.shared_pause import SHORTEST_SECONDS, SharedPause
from adapters.root_files.filesystem import FilesystemRootFiles
from daydreaming_dagster.domain.catalog import ModelLimits
from daydreaming_dagster.domain.generation.cancellation import (
    CancellationToken,
    ModelCancellations,
    StoppedError,
)
from daydreaming_dagster.domain.generation.tokens import expected_tokens
from daydreaming_dagster.ports.language_model import (
    DEFAULT_PATIENCE_SECONDS,
    Completion,
    LanguageModel,
    LanguageModelError,
    ModelKey,
    ModelRequest,
    Wait,
)
from daydreaming_dagster.ports.rate_limiter import OpenRate, RateLimiter
from daydreaming_dagster.ports.root_files import RootFiles

_POLL_SECONDS: Final = 0.1
_LOOK_SECONDS: Final = 1.0
"""How often to read what other machines say; each time is a request."""
_NOTED_SECONDS: Final = 2.0
"""Shorter waits are not worth a note."""
_REFUSALS: Final = 6
_REASONS: Final[Mapping[int | None, str]] = {
    429: "rate limit",
    503: "unavailable",
    529: "overloaded",
    None: "no connection",
}


@attrs.define
class LimitingLanguageModel:
    """Passes calls on to `inner` within the limits of each model; other calls wait their turn.

    If the endpoint takes no calls of a model, all of them pause, and one probes until there is an
    answer again (see `Pause`). If it says for how long, other processes pause, too (`SharedPause`).

    Attributes:
        limits: Limits by provider and model. All processes of this machine that use the same
            `folder` share them.
        folder: The folder of the shared files. Created if a limit needs it.
        concurrency: The number of concurrent calls for models without a limit of their own. None
            adapts it to the endpoint (see `ConcurrencyLevel`).
        open_rate: Opens a rate by its name and units a minute, if more than one machine shares it.
            By default, it is in a file of `folder`.
        files: Where more than one machine shares pauses. By default, in files of `folder`.
        workers: How many processes, perhaps on other machines, divide the concurrent calls. Each
            has an equal part of them, at least one.
        patience_seconds: How long an endpoint that takes no calls is waited for. After that, its
            calls fail.
        first_pause_seconds: The length of the first pause.
    """

    inner: LanguageModel
    limits: Mapping[tuple[str, str], ModelLimits]
    folder: Path
    concurrency: int | None = None
    patience_seconds: float = DEFAULT_PATIENCE_SECONDS
    first_pause_seconds: float = FIRST_PAUSE_SECONDS
    open_rate: OpenRate | None = attrs.field(default=None, kw_only=True)
    files: RootFiles | None = attrs.field(default=None, kw_only=True)
    workers: int = attrs.field(default=1, kw_only=True)
    _cancellations: ModelCancellations = attrs.field(
        factory=ModelCancellations, init=False, repr=False, eq=False
    )
    _gates: "dict[tuple[str, str], _Gate]" = attrs.field(factory=dict, init=False, repr=False)

    async def complete(self, request: ModelRequest) -> Completion:
        """Return the model's answer after waiting for its turn.

        The call counts as in flight until its answer is stored (`ModelRequest.kept`).

        Raises:
            LanguageModelError: `inner` raised it, or the endpoint has taken no calls for longer
                than `patience_seconds`.
            StoppedError: The run ended before the request was sent.
        """
        gate, began, failed = self._gate(request), time.monotonic(), list[str]()
        while True:
            try:
                completion = await self._attempt(request, gate)
            except LanguageModelError as error:
                failed += error.failed_attempts
                waited = time.monotonic() - began > self.patience_seconds
                # Other calls may be answered while each attempt of this one is refused.
                refused_alone = waited and len(failed) >= _REFUSALS
                if not error.unavailable or gate.pause.hopeless or refused_alone:
                    error.failed_attempts = tuple(failed)
                    raise
                failed.append(str(error))
            else:
                failed += completion.failed_attempts
                return attrs.evolve(completion, failed_attempts=tuple(failed))

    async def _attempt(self, request: ModelRequest, gate: "_Gate") -> Completion:
        with ExitStack() as place:
            call = await gate.turn(request, self._cancellations.of(request.key), place)
            try:
                completion = await self.inner.complete(request)
            except LanguageModelError as error:
                await gate.failed(call, error)
                raise
            finally:
                gate.pause.ended(call.number)
            await gate.answered(call, completion)
            if request.kept is not None:
                request.kept.push(place.pop_all())
            return completion

    def check(self, models: Collection[ModelKey]) -> Sequence[str]:
        return self.inner.check(models)

    def stop(self, reason: str, model: ModelKey | None = None) -> None:
        """Pass no further call on."""
        self._cancellations.stop(reason, model)
        for key, gate in tuple(self._gates.items()):
            if model in (None, key):
                gate.stop(reason)
        self.inner.stop(reason, model)

    async def aclose(self) -> None:
        """Release the connections of `inner`."""
        self._gates.clear()
        await self.inner.aclose()

    def _gate(self, request: ModelRequest) -> "_Gate":
        key = request.key
        if key not in self._gates:
            limits = self.limits.get(key, ModelLimits())
            folder = self.folder / _file_name(*key)
            if limits != ModelLimits():
                folder.mkdir(parents=True, exist_ok=True)
            at_once = limits.concurrency or self.concurrency
            self._gates[key] = _Gate(
                None if at_once is None else max(1, at_once // self.workers),
                None if limits.concurrency is None else FileSemaphore(folder, limits.concurrency),
                self._rate(folder, "requests", limits.requests_per_minute),
                self._rate(folder, "tokens", limits.tokens_per_minute),
                Pause(self.patience_seconds, self.first_pause_seconds),
                self._shared_pause(folder.name),
            )
        return self._gates[key]

    def _shared_pause(self, model: str) -> SharedPause:
        if self.files is None:
            files = FilesystemRootFiles(self.folder)
            return SharedPause(files, f"{model}/pause.json", _POLL_SECONDS)
        name = f"limits/{self.folder.name}/{model}/pause.json"
        return SharedPause(self.files, name, _LOOK_SECONDS)

    def _rate(self, folder: Path, unit: str, per_minute: float | None) -> RateLimiter | None:
        if per_minute is None:
            return None
        if self.open_rate is None:
            return FileRateLimiter(folder / unit, per_minute)
        return self.open_rate(f"{self.folder.name}/{folder.name}/{unit}", per_minute)


@attrs.frozen
class _Call:
    """A call that was passed on: its number, the tokens taken for it, and its start time."""

    number: int
    tokens: float
    began: float = attrs.field(factory=time.monotonic)


@attrs.define(eq=False)
class _Gate:
    """The limits of one model."""

    fixed: int | None
    slots: FileSemaphore | None
    requests: RateLimiter | None
    tokens: RateLimiter | None
    pause: Pause
    shared_pause: SharedPause
    level: ConcurrencyLevel = attrs.field(factory=ConcurrencyLevel)
    in_flight: int = 0
    last_refusal: str = ""
    reason: str = ""
    longest_answer: int = 0
    waiting: deque[asyncio.Future[None]] = attrs.field(factory=deque)
    first: asyncio.Lock = attrs.field(factory=asyncio.Lock)

    async def turn(
        self, request: ModelRequest, cancellation: CancellationToken, place: ExitStack
    ) -> _Call:
        """Wait until all limits allow a call. It counts in them until `place` is closed.

        Raises:
            LanguageModelError: The endpoint has taken no calls for too long.
            StoppedError: The run ended while the call waited.
        """
        await self._take_place(cancellation)
        place.callback(self._give_place)
        # One call at a time checks the files, so calls of this process keep their order.
        async with self.first:
            await self._wait_for_endpoint(request, cancellation)
            if self.slots is not None:
                place.callback((await self._take_slot(self.slots, cancellation)).release)
            tokens = await self._take_rates(request, cancellation)
            # Another call may have been refused meanwhile.
            await self._wait_for_endpoint(request, cancellation)
            number = self.level.begin()
            self.pause.begin(number)
            return _Call(number, tokens)

    async def failed(self, call: _Call, error: LanguageModelError) -> None:
        """Note an error: the endpoint takes no calls, or it looked at this one."""
        if error.unavailable:
            self.level.refused(call.number)
            self.last_refusal = str(error)
            self.reason = _REASONS.get(error.status, f"status {error.status}")
            asked = error.retry_after_seconds or 0.0
            self.pause.refused(call.number, asked)
            if asked > SHORTEST_SECONDS:
                await asyncio.to_thread(self.shared_pause.extend, asked)
        elif error.status is not None and not error.retryable:
            self.pause.answered()

    async def answered(self, call: _Call, completion: Completion) -> None:
        """Note an answer and the tokens that it actually used."""
        self.pause.answered()
        self.level.answered(time.monotonic() - call.began, limited=bool(self.waiting))
        self.longest_answer = max(self.longest_answer, completion.completion_tokens or 0)
        used = (completion.prompt_tokens or 0) + (completion.completion_tokens or 0)
        if self.tokens is not None and used:
            # The answer is paid for, so do not fail. The next `take` reports a broken file.
            with suppress(OSError):
                await asyncio.to_thread(self.tokens.charge, used - call.tokens)

    @property
    def _limit(self) -> int:
        return self.level.limit if self.fixed is None else self.fixed

    def stop(self, reason: str) -> None:
        """End the waiting for a place. An answer that cannot be stored gives none back."""
        for place in tuple(self.waiting):
            with suppress(RuntimeError):  # its loop ended
                place.get_loop().call_soon_threadsafe(_end, place, reason)

    async def _take_place(self, cancellation: CancellationToken) -> None:
        if self.in_flight < self._limit and not self.waiting:
            self.in_flight += 1
            return
        place = asyncio.get_running_loop().create_future()
        self.waiting.append(place)
        if cancellation.reason is not None:  # perhaps between the last look of `stop` and now
            _end(place, cancellation.reason)
        try:
            await place  # `_give_place` has counted it
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                self._give_place()
            elif place in self.waiting:
                self.waiting.remove(place)
            raise

    def _give_place(self) -> None:
        self.in_flight -= 1
        while self.waiting and self.in_flight < self._limit:
            place = self.waiting.popleft()
            if not place.done():
                self.in_flight += 1
                place.set_result(None)

    async def _take_rates(self, request: ModelRequest, cancellation: CancellationToken) -> float:
        """Wait for the rate limits and return the tokens that were taken."""
        tokens = float(sum(expected_tokens(request, self.longest_answer)))
        for rate, amount in ((self.requests, 1.0), (self.tokens, tokens)):
            while rate and (wait := await asyncio.to_thread(rate.take, amount)):
                # Poll, because an answer that is shorter than expected returns tokens.
                await cancellation.sleep(min(wait, _POLL_SECONDS))
        return tokens

    async def _wait_for_endpoint(
        self, request: ModelRequest, cancellation: CancellationToken
    ) -> None:
        """Return once the endpoint may be called; a refusal meanwhile extends the wait."""
        if self.shared_pause.due:
            seconds = await asyncio.to_thread(self.shared_pause.seconds)
            if self.pause.heard(seconds):
                self.reason = self.last_refusal = "another process was refused"
        while (seconds := self.pause.seconds) > 0 or self.pause.probing:
            until = datetime.now().astimezone() + timedelta(seconds=seconds)
            if self.pause.hopeless:
                raise LanguageModelError(
                    f"{request.model} was not called: its endpoint takes no calls until "
                    f"{until:%Y-%m-%d %H:%M}; the last refusal: {self.last_refusal}",
                    retryable=True,
                    retry_after_seconds=seconds,
                    of_endpoint=True,
                    unavailable=True,
                )
            if request.on_wait is not None and seconds > _NOTED_SECONDS:
                request.on_wait(Wait(request.model, until, self.reason))
            # Without a pause, the probe's outcome is awaited.
            await cancellation.sleep(min(seconds, _NOTED_SECONDS) if seconds > 0 else _POLL_SECONDS)
        cancellation.check()

    async def _take_slot(self, slots: FileSemaphore, cancellation: CancellationToken) -> FileLock:
        while (slot := await asyncio.to_thread(slots.take)) is None:
            await cancellation.sleep(_POLL_SECONDS)
        return slot


def _end(place: asyncio.Future[None], reason: str) -> None:
    if not place.done():
        place.set_exception(StoppedError(reason))


def prepare_limits(limits: Mapping[tuple[str, str], ModelLimits], folder: Path) -> None:
    """Create the folders of these limits, if there are any.

    Raises:
        OSError: A folder cannot be created or written to, or its file system has no locks.
    """
    for key, of_model in limits.items():
        if of_model != ModelLimits():
            place = folder / _file_name(*key)
            place.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=place) as file:
                lock_descriptor(file.fileno(), blocking=False)


def _file_name(provider: str, model: str) -> str:
    """Return a file name that is unique per model and readable."""
    digest = hashlib.sha256(f"{provider}\n{model}".encode()).hexdigest()[:12]
    return f"{re.sub(r'[^A-Za-z0-9.-]+', '-', f'{provider}-{model}')[:60]}-{digest}"
