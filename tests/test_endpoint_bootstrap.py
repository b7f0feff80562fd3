"""Which variables of the environment reach which endpoint."""

from collections.abc import Iterator

import pytest

from daydreaming_dagster.domain.endpoints import EndpointEntry
from daydreaming_dagster.endpoint_bootstrap import open_default_endpoint, open_endpoint
from daydreaming_dagster.ports.language_model import LanguageModel, ModelRequest
from endpoint import Endpoint, serving

ANSWER = {"choices": [{"message": {"content": "A dream."}}]}


@pytest.fixture
def endpoint(monkeypatch) -> Iterator[Endpoint]:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-mine\n")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-mine")
    with serving(Endpoint(lambda handler: handler.reply(200, ANSWER))) as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url)
        yield endpoint


async def ask(model: LanguageModel) -> None:
    await model.complete(ModelRequest("Dream.", "big-1"))
    await model.aclose()


async def test_the_endpoint_of_the_environment_is_told_whom_to_bill(endpoint):
    await ask(open_default_endpoint())

    headers = endpoint.received[0].headers
    assert headers["Authorization"] == "Bearer sk-of-openai"
    assert headers["OpenAI-Organization"] == "org-mine"
    assert headers["OpenAI-Project"] == "proj-mine"


async def test_no_other_endpoint_is_told_anything_of_openai(endpoint):
    await ask(open_endpoint(EndpointEntry("acme", endpoint.url)))

    assert "mine" not in str(endpoint.received[0].headers)
    assert "sk-of-openai" not in str(endpoint.received[0].headers)
