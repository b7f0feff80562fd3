"""A `LanguageModel` whose answers are written down beforehand, for tests."""

import asyncio
from collections.abc import Callable

import attrs

from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.ports.language_model import Completion, ModelRequest


@attrs.define
class ScriptedLanguageModel:
    """Answers each request with what `script` returns for it.

    A text becomes a `Completion` that stopped by itself, an exception that the script
    returns or raises is raised by `complete`. The script is called in the order in which
    the requests come, before the latency, so that one with a memory is deterministic too.

    Attributes:
        script: What to answer; a function of the whole request.
        latency_seconds: How long each call takes, and the duration that it reports.
        requests: The requests so far, in the order in which they came.
    """

    script: Callable[[ModelRequest], str | Completion | Exception]
    latency_seconds: float = 0.0
    requests: list[ModelRequest] = attrs.field(factory=list, init=False)
    _cancellation: CancellationToken = attrs.field(
        factory=CancellationToken, init=False, repr=False, eq=False
    )

    async def complete(self, request: ModelRequest) -> Completion:
        """Return the scripted answer.

        Raises:
            Exception: Whatever the script returned or raised.
            StoppedError: `stop` was called before.
        """
        self._cancellation.check()
        self.requests.append(request)
        answer = self.script(request)
        await asyncio.sleep(self.latency_seconds)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, str):
            return Completion(answer, "stop", request.model, self.latency_seconds)
        return answer

    def stop(self, reason: str) -> None:
        """Answer nothing more, except what was asked already."""
        self._cancellation.stop(reason)

    async def aclose(self) -> None:
        """Do nothing: there is nothing to release."""
