"""An `EmbeddingModel` with scripted vectors, for tests."""

from collections.abc import Callable, Collection, Sequence

import attrs

from daydreaming_dagster.domain.generation.cancellation import ModelCancellations
from daydreaming_dagster.ports.embedding_model import Embedding
from daydreaming_dagster.ports.language_model import Completion, ModelKey, ModelRequest


@attrs.define
class ScriptedEmbeddings:
    """Answers each request with the vector that `script` returns for its text.

    An exception that it returns or raises is raised by `embed`. Each token is four characters.

    Attributes:
        script: Returns the vector of a text.
        requests: The requests so far, in order.
    """

    script: Callable[[str], Sequence[float] | Exception]
    requests: list[ModelRequest] = attrs.field(factory=list, init=False)
    _cancellations: ModelCancellations = attrs.field(
        factory=ModelCancellations, init=False, repr=False, eq=False
    )

    async def embed(self, request: ModelRequest) -> Embedding:
        """Return the scripted vector.

        Raises:
            Exception: Whatever the script returned or raised.
            StoppedError: `stop` was called before.
        """
        self._cancellations.of(request.key).check()
        self.requests.append(request)
        vector = self.script(request.prompt)
        if isinstance(vector, Exception):
            raise vector
        tokens = len(request.prompt) // 4
        answer = Completion(
            "", "stop", request.model, 0.0, prompt_tokens=tokens, completion_tokens=0
        )
        return Embedding(tuple(vector), answer)

    def check(self, _models: Collection[ModelKey], /) -> Sequence[str]:
        return ()

    def stop(self, reason: str, model: ModelKey | None = None) -> None:
        """Refuse further requests."""
        self._cancellations.stop(reason, model)

    async def aclose(self) -> None:
        """Do nothing: there is nothing to release."""
