"""The contract of `EmbeddingModel` on every adapter, and what endpoints answer."""

import asyncio
import json

import pytest

from adapters.embedding_model.answered import AnsweredEmbeddings
from adapters.embedding_model.scripted import ScriptedEmbeddings
from adapters.language_model.openai_embeddings import OpenAIEmbeddings
from adapters.language_model.retrying import RetryingLanguageModel
from daydreaming_dagster.ports.language_model import LanguageModelError, ModelRequest
from daydreaming_dagster.testing import EmbeddingModelContract

REQUEST = ModelRequest("A text.", "small-1", "acme")


class TestScripted(EmbeddingModelContract[ScriptedEmbeddings]):
    @pytest.fixture
    def model(self):
        return ScriptedEmbeddings(lambda text: [float(len(text)), 0.5])

    def sent(self, model):
        return len(model.requests)


class TestEndpoint(EmbeddingModelContract[AnsweredEmbeddings]):
    @pytest.fixture
    def model(self, chat_endpoint):
        self.endpoint = chat_endpoint
        chat_endpoint.embed = lambda text: [float(len(text)), 0.5]
        return endpoint_at(chat_endpoint)

    def sent(self, model):
        return len(self.endpoint.bodies)


def endpoint_at(chat_endpoint):
    endpoint = OpenAIEmbeddings(chat_endpoint.base_url, "a-key", environment_proxies=False)
    return AnsweredEmbeddings(RetryingLanguageModel(endpoint))


def embed(model):
    async def run():
        try:
            return await model.embed(REQUEST)
        finally:
            await model.aclose()

    return asyncio.run(run())


def test_an_endpoint_is_asked_for_numbers_and_tells_the_tokens(chat_endpoint):
    chat_endpoint.embed = lambda _text: [0.25, -1]

    embedding = embed(endpoint_at(chat_endpoint))

    assert chat_endpoint.bodies == [
        {"model": "small-1", "input": "A text.", "encoding_format": "float"}
    ]
    assert chat_endpoint.keys == ["Bearer a-key"]
    answer = embedding.answer
    assert embedding.vector == (0.25, -1)
    assert (answer.model, answer.prompt_tokens, answer.completion_tokens) == ("small-1-0613", 7, 0)


@pytest.mark.parametrize("vector", [[], ["0.5"], [True], "AAAA", [float("nan")]])
def test_an_answer_without_a_vector_is_an_error(chat_endpoint, vector):
    chat_endpoint.embed = lambda _text: vector

    with pytest.raises(LanguageModelError, match="the answer has no embedding") as error:
        embed(endpoint_at(chat_endpoint))

    assert error.value.may_be_billed


def test_an_endpoint_without_embeddings_says_so(chat_endpoint):
    with pytest.raises(LanguageModelError, match="refused with status 404"):
        embed(endpoint_at(chat_endpoint))


def test_a_vector_is_kept_as_the_endpoint_sent_it(chat_endpoint):
    sent = [0.1, 1e-9, 12345678.9]
    chat_endpoint.embed = lambda _text: sent
    assert json.dumps(embed(endpoint_at(chat_endpoint)).vector) == json.dumps(sent)
