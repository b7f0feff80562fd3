"""The contract of `EmbeddingModel` as tests, to be run on any adapter.

A test module of an adapter subclasses the contract, and pytest runs it::

    from daydreaming_dagster.testing import EmbeddingModelContract

    class TestMyEmbeddings(EmbeddingModelContract[MyEmbeddings]):
        @pytest.fixture
        def model(self, endpoint: Endpoint) -> MyEmbeddings:
            endpoint.embed = lambda text: [float(len(text)), 0.5]
            return MyEmbeddings(endpoint.url)

        def sent(self, model: MyEmbeddings) -> int:
            return len(model.endpoint.received)
"""
# ruff: noqa: S101  pytest asserts

import asyncio
from typing import Generic, TypeVar

import pytest

from daydreaming_dagster.domain.generation.cancellation import StoppedError
from daydreaming_dagster.ports.embedding_model import Embedding, EmbeddingModel
from daydreaming_dagster.ports.language_model import ModelRequest

ModelT = TypeVar("ModelT", bound=EmbeddingModel)


class EmbeddingModelContract(Generic[ModelT]):
    """What every `EmbeddingModel` does. See the module's docstring for how to use it."""

    @pytest.fixture
    def model(self) -> ModelT:
        """Return a new model whose vectors are the length of the text, and 0.5."""
        raise NotImplementedError

    def sent(self, model: ModelT) -> int:
        """Return how many requests were sent, to an endpoint or to what stands for one."""
        raise NotImplementedError

    def test_of_many_calls_at_once_each_gets_its_own_vector(self, model: ModelT) -> None:
        texts = ["a" * length for length in range(1, 20)]

        embeddings = _embed(model, *texts)

        assert [each.vector for each in embeddings] == [(len(text), 0.5) for text in texts]
        assert all(each.answer.model for each in embeddings)
        assert self.sent(model) == len(texts)

    def test_a_check_of_what_is_set_up_finds_nothing_and_sends_nothing(self, model: ModelT) -> None:
        assert list(model.check([("acme", "small-1")])) == []
        assert self.sent(model) == 0

    def test_nothing_is_sent_after_a_stop(self, model: ModelT) -> None:
        model.stop("enough")

        with pytest.raises(StoppedError, match="enough"):
            _embed(model, "A text.")
        assert self.sent(model) == 0


def _embed(model: EmbeddingModel, *texts: str) -> list[Embedding]:
    async def run() -> list[Embedding]:
        try:
            requests = (ModelRequest(text, "small-1", "acme") for text in texts)
            return await asyncio.gather(*map(model.embed, requests))
        finally:
            await model.aclose()

    return asyncio.run(run())
