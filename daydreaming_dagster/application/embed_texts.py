"""Embeds texts within a budget. Each vector is stored as soon as it arrives."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Final

import attrs

from daydreaming_dagster.application.run_listener import RunListener
from daydreaming_dagster.domain.catalog import ModelEntry
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.cancellation import CancellationToken, StoppedError
from daydreaming_dagster.ports.embedding_model import Embedding, EmbeddingModel
from daydreaming_dagster.ports.language_model import LanguageModelError, ModelRequest

_AT_ONCE: Final = 64
"""Requests that wait for their turn. How many are in flight is decided by the model's limits."""


@attrs.define
class TextEmbedder:
    """Embeds texts with one model.

    Attributes:
        model: Calls the model.
        entry: Its row in the catalog.
        keep: Stores the vector of the text with this digest.
        budget: Limits the cost.
        token: Ends the run early.
        listener: Is told of waits.
    """

    model: EmbeddingModel
    entry: ModelEntry
    keep: Callable[[str, Embedding], None]
    budget: Budget
    token: CancellationToken
    listener: RunListener
    _failure: LanguageModelError | StoppedError | None = attrs.field(default=None, init=False)

    def embed(self, texts: Mapping[str, str]) -> None:
        """Embed texts by digest. Those that the endpoint refuses get no vector.

        After an error that other texts would meet too, no further text is sent.

        Raises:
            LanguageModelError: The endpoint gave no vector, for a reason that is not one text's.
            StoppedError: The run ended early, or the budget is spent.
        """
        if texts:
            self.token.subscribe(self.model.stop)
            asyncio.run(self._embed_all(texts))
        if self._failure is not None:
            raise self._failure

    async def _embed_all(self, texts: Mapping[str, str]) -> None:
        places = asyncio.Semaphore(_AT_ONCE)

        async def embed(digest: str, text: str) -> None:
            async with places:
                if self._failure is None:
                    await self._embed_one(digest, text)

        try:
            calls = [embed(digest, text) for digest, text in texts.items()]
            # All end before an error is raised, so that what arrived is stored.
            for error in await asyncio.gather(*calls, return_exceptions=True):
                if error is not None:
                    raise error
        finally:
            await self.model.aclose()

    async def _embed_one(self, digest: str, text: str) -> None:
        with ExitStack() as kept:
            request = ModelRequest(
                text,
                self.entry.model,
                self.entry.provider,
                kept=kept,
                on_wait=lambda wait: self.listener.waiting([wait]),
            )
            try:
                reserved = await self.budget.reserve(request, self.token)
            except StoppedError as error:
                self._failure = error
                return
            try:
                embedding = await self.model.embed(request)
            except StoppedError as error:
                self.budget.withdraw(reserved)
                self._failure = error
            except LanguageModelError as error:
                billed = error.may_be_billed
                self.budget.settle_unanswered(request, reserved, may_be_billed=billed)
                if error.status is None or error.of_endpoint or error.retryable:
                    self._failure = error
            else:
                self.budget.settle(request, reserved, embedding.answer)
                await asyncio.to_thread(self.keep, digest, embedding)
