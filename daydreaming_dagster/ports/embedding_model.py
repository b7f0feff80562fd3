"""The port for embedding texts: each becomes a vector, and similar meanings similar directions."""

from collections.abc import Collection, Sequence
from typing import Protocol

import attrs

from daydreaming_dagster.ports.language_model import Completion, ModelKey, ModelRequest


@attrs.frozen
class Embedding:
    """The vector of a text.

    `answer` is what came with it: tokens, cost, and the model that answered.
    """

    vector: tuple[float, ...]
    answer: Completion


class EmbeddingModel(Protocol):
    """Embeds texts.

    One instance serves many concurrent calls, all from the same event loop until `aclose`.
    """

    async def embed(self, request: ModelRequest) -> Embedding:
        """Return the vector of the request's text. At most one request is sent that may be billed.

        Raises:
            LanguageModelError: There was no vector.
            StoppedError: All models or this one were stopped before the request could be sent.
        """
        ...

    def check(self, models: Collection[ModelKey], /) -> Sequence[str]:
        """Return what prevents calls of these models as they are set up, a sentence each.

        Sends nothing.
        """
        ...

    def stop(self, reason: str, model: ModelKey | None = None) -> None:
        """Send no further requests, to one model or to all. May be called from any thread."""
        ...

    async def aclose(self) -> None:
        """Release connections. The next call opens new ones."""
        ...
