"""A `LanguageModel` with scripted answers, for tests."""

import asyncio
from collections.abc import Callable, Collection, Sequence

import attrs

from daydreaming_dagster.domain.generation.cancellation import ModelCancellations
from daydreaming_dagster.ports.language_model import Completion, ModelKey, ModelRequest


@attrs.define
class ScriptedLanguageModel:
    """Answers each request with the result of `script`.

    A text becomes a `Completion` with finish reason `stop`. An exception that the script returns or
    raises is raised by `complete`. The script is called in the order of the requests, before the
    latency, so a script with state is deterministic too.

    Attributes:
        script: Returns the answer to a request.
        latency_seconds: The duration of each call.
        requests: The requests so far, in order.
    """

    script: Callable[[ModelRequest], str | Completion | Exception]
    latency_seconds: float = 0.0
    requests: list[ModelRequest] = attrs.field(factory=list, init=False)
    _cancellations: ModelCancellations = attrs.field(
        factory=ModelCancellations, init=False, repr=False, eq=False
    )

    async def complete(self, request: ModelRequest) -> Completion:
        """Return the scripted answer.

        Raises:
            Exception: Whatever the script returned or raised.
            StoppedError: `stop` was called before.
        """
        self._cancellations.of(request.key).check()
        self.requests.append(request)
        answer = self.script(request)
        await asyncio.sleep(self.latency_seconds)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, str):
            return Completion(answer, "stop", request.model, self.latency_seconds)
        return answer

    def check(self, _models: Collection[ModelKey]) -> Sequence[str]:
        return ()

    def stop(self, reason: str, model: ModelKey | None = None) -> None:
        """Refuse further requests. Requests in flight are still answered."""
        self._cancellations.stop(reason, model)

    async def aclose(self) -> None:
        """Do nothing: there is nothing to release."""
