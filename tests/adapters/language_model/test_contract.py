"""The contract, run on every adapter from one place; the local model's needs its weights."""

import pytest

from adapters.language_model.limiting import LimitingLanguageModel
from adapters.language_model.openai import OpenAILanguageModel
from adapters.language_model.retrying import RetryingLanguageModel
from adapters.language_model.routing import RoutingLanguageModel
from adapters.language_model.scripted import ScriptedLanguageModel
from adapters.language_model.sharing import SharingLanguageModel
from daydreaming_dagster.domain.catalog import ModelLimits
from daydreaming_dagster.testing import LanguageModelContract


@pytest.fixture
def scripted():
    return ScriptedLanguageModel(lambda request: request.prompt, latency_seconds=0.01)


class OnScripted(LanguageModelContract):
    @pytest.fixture(autouse=True)
    def _behind(self, scripted):
        self.scripted = scripted

    def sent(self, model):
        return len(self.scripted.requests)


class TestScripted(OnScripted):
    @pytest.fixture
    def model(self, scripted):
        return scripted


class TestRetrying(OnScripted):
    @pytest.fixture
    def model(self, scripted):
        return RetryingLanguageModel(scripted)


class TestRouting(OnScripted):
    @pytest.fixture
    def model(self, scripted):
        return RoutingLanguageModel({"acme": scripted}, default=ScriptedLanguageModel(str))


class TestSharing(OnScripted):
    @pytest.fixture
    def model(self, scripted):
        return SharingLanguageModel([scripted, scripted])


class TestLimiting(OnScripted):
    @pytest.fixture
    def model(self, scripted, tmp_path):
        return LimitingLanguageModel(scripted, {}, tmp_path)


class TestLimitingToOneCallAtATime(OnScripted):
    @pytest.fixture
    def model(self, scripted, tmp_path):
        limits = {("acme", "big-1"): ModelLimits(concurrency=1)}
        return LimitingLanguageModel(scripted, limits, tmp_path)


class TestOpenAI(LanguageModelContract):
    @pytest.fixture
    def model(self, chat_endpoint):
        chat_endpoint.answer = lambda prompt: prompt
        self.endpoint = chat_endpoint
        return OpenAILanguageModel(chat_endpoint.base_url, "a-key")

    def sent(self, model):
        return len(self.endpoint.bodies)
