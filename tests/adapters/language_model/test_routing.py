"""Each request goes to the model of its provider."""

import asyncio

from adapters.language_model.routing import RoutingLanguageModel
from adapters.language_model.scripted import ScriptedLanguageModel
from daydreaming_dagster.ports.language_model import ModelRequest


class ClosableModel(ScriptedLanguageModel):
    closed = False

    async def aclose(self):
        self.closed = True


def test_requests_go_to_their_provider_and_others_to_the_default():
    here, elsewhere = (ScriptedLanguageModel(lambda _request, n=n: n) for n in ("here", "there"))
    model = RoutingLanguageModel(routes={"local": here}, default=elsewhere)

    async def ask(provider):
        return (await model.complete(ModelRequest("why?", "m", provider))).text

    assert [asyncio.run(ask(provider)) for provider in ("local", "acme", "")] == [
        "here",
        "there",
        "there",
    ]


def test_all_connections_are_released():
    models = [ClosableModel(lambda _request: "x") for _ in range(2)]
    model = RoutingLanguageModel(routes={"local": models[0]}, default=models[1])

    asyncio.run(model.aclose())

    assert [one.closed for one in models] == [True, True]
