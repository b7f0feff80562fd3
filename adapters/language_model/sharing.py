"""A `LanguageModel` that spreads calls over several endpoints that serve the same models."""

import asyncio
from collections.abc import Collection, Sequence

import attrs

from daydreaming_dagster.ports.language_model import (
    Completion,
    LanguageModel,
    LanguageModelError,
    ModelKey,
    ModelRequest,
)


@attrs.define
class SharingLanguageModel:
    """Passes each call to the one of `inners` that has the fewest calls.

    If one refuses a call for a reason that any call to it would meet, or lets it wait because it
    takes no calls, another one gets the call.
    """

    inners: Sequence[LanguageModel]
    _calls: list[int] = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._calls = [0] * len(self.inners)

    async def complete(self, request: ModelRequest) -> Completion:
        """Return the first answer, with the errors before it in `failed_attempts`.

        Raises:
            LanguageModelError: None of them answered, or a call may have been billed.
            StoppedError: The run ended before the request was sent.
        """
        left = list(range(len(self.inners)))
        failed: list[str] = []
        while True:
            chosen = min(left, key=self._calls.__getitem__)
            left.remove(chosen)
            self._calls[chosen] += 1
            ask = _ask_unless_it_waits if left else _ask
            try:
                completion = await ask(self.inners[chosen], request)
            except LanguageModelError as error:
                failed += error.failed_attempts
                if not left or error.may_be_billed or not error.of_endpoint:
                    error.failed_attempts = tuple(failed)
                    raise
                failed.append(str(error))
            else:
                if completion is not None:
                    failed += completion.failed_attempts
                    return attrs.evolve(completion, failed_attempts=tuple(failed))
            finally:
                self._calls[chosen] -= 1

    def check(self, models: Collection[ModelKey]) -> tuple[str, ...]:
        return tuple(problem for inner in self.inners for problem in inner.check(models))

    def stop(self, reason: str, model: ModelKey | None = None) -> None:
        """Stop all of them."""
        for inner in self.inners:
            inner.stop(reason, model)

    async def aclose(self) -> None:
        """Release the connections of all of them."""
        for inner in self.inners:
            await inner.aclose()


async def _ask(inner: LanguageModel, request: ModelRequest) -> Completion | None:
    return await inner.complete(request)


async def _ask_unless_it_waits(inner: LanguageModel, request: ModelRequest) -> Completion | None:
    """Return the answer, or None if the call has to wait for the endpoint. Then it is not sent."""
    waits = asyncio.Event()
    told = attrs.evolve(request, on_wait=lambda _wait: waits.set())
    call = asyncio.create_task(inner.complete(told))
    waiting = asyncio.create_task(waits.wait())
    try:
        await asyncio.wait((call, waiting), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (call, waiting):
            task.cancel()
        await asyncio.wait((call, waiting))
    return None if call.cancelled() else call.result()
