"""The `EmbeddingModel` for endpoints, on the layers of language models."""

import json
from collections.abc import Collection, Sequence

import attrs

from daydreaming_dagster.ports.embedding_model import Embedding
from daydreaming_dagster.ports.language_model import LanguageModel, ModelKey, ModelRequest


@attrs.frozen
class AnsweredEmbeddings:
    """Reads vectors from the answers of `inner`, each a list of numbers as JSON.

    Limits, retries and routes are therefore the same as for all other calls.
    """

    inner: LanguageModel

    async def embed(self, request: ModelRequest) -> Embedding:
        """Return the vector of the request's text. Raises the same errors as `inner`."""
        answer = await self.inner.complete(request)
        return Embedding(tuple(json.loads(answer.text)), answer)

    def check(self, models: Collection[ModelKey], /) -> Sequence[str]:
        return self.inner.check(models)

    def stop(self, reason: str, model: ModelKey | None = None) -> None:
        """Send no further requests."""
        self.inner.stop(reason, model)

    async def aclose(self) -> None:
        """Release the connections of `inner`."""
        await self.inner.aclose()
