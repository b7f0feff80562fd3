"""Each request goes to the model of its provider."""

import pytest

from adapters.language_model.routing import RoutingLanguageModel
from adapters.language_model.scripted import ScriptedLanguageModel
from adapters.language_model.unusable import UnusableLanguageModel
from daydreaming_dagster.ports.language_model import LanguageModelError, ModelRequest


class ClosableModel(ScriptedLanguageModel):
    closed = False

    async def aclose(self):
        self.closed = True


async def test_requests_go_to_their_provider_and_others_to_the_default():
    here, elsewhere = (ScriptedLanguageModel(lambda _request, n=n: n) for n in ("here", "there"))
    model = RoutingLanguageModel(routes={"local": here}, default=elsewhere)

    requests = [ModelRequest("why?", "m", provider) for provider in ("local", "acme", "")]
    answers = [(await model.complete(request)).text for request in requests]

    assert answers == ["here", "there", "there"]


def test_a_check_asks_the_adapters_of_these_models_alone():
    model = RoutingLanguageModel(
        {"azure": UnusableLanguageModel("set KEY"), "other": UnusableLanguageModel("set B")},
        default=ScriptedLanguageModel(str),
    )

    assert model.check([("azure", "m"), ("acme", "m"), ("azure", "n")]) == ("set KEY",)


async def test_an_endpoint_that_is_not_set_up_says_so_in_each_call():
    with pytest.raises(LanguageModelError, match="m was not called: set KEY") as caught:
        await UnusableLanguageModel("set KEY").complete(ModelRequest("why?", "m", "azure"))
    assert (caught.value.of_endpoint, caught.value.retryable) == (True, False)


async def test_all_connections_are_released():
    models = [ClosableModel(lambda _request: "x") for _ in range(2)]
    model = RoutingLanguageModel(routes={"local": models[0]}, default=models[1])

    await model.aclose()

    assert [one.closed for one in models] == [True, True]
