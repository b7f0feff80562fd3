"""What each layer around a model keeps of the attempts that the model made."""

import pytest

from adapters.language_model.limiting import LimitingLanguageModel
from adapters.language_model.retrying import RetryingLanguageModel
from adapters.language_model.routing import RoutingLanguageModel
from adapters.language_model.scripted import ScriptedLanguageModel
from adapters.language_model.sharing import SharingLanguageModel
from daydreaming_dagster.ports.language_model import Completion, LanguageModelError, ModelRequest

REQUEST = ModelRequest("why?", "big-1")


def limited(inner, folder):
    return LimitingLanguageModel(inner, {}, folder, first_pause_seconds=0.01)


LAYERS = {
    "limiting": limited,
    "retrying": lambda inner, _folder: RetryingLanguageModel(inner, first_wait_seconds=0.01),
    "routing": lambda inner, _folder: RoutingLanguageModel({}, inner),
    "sharing": lambda inner, _folder: SharingLanguageModel([inner]),
    "as composed": lambda inner, folder: RetryingLanguageModel(
        limited(inner, folder), first_wait_seconds=0.01
    ),
}


@pytest.fixture(params=LAYERS)
def layer(request, tmp_path):
    return lambda inner: LAYERS[request.param](inner, tmp_path)


def scripted(*answers):
    remaining = list(answers)
    return ScriptedLanguageModel(lambda _request: remaining.pop(0))


async def test_an_answer_keeps_the_errors_before_it(layer):
    answer = Completion("so", "stop", "big-1", 0.0, failed_attempts=("busy",))

    assert (await layer(scripted(answer)).complete(REQUEST)).failed_attempts == ("busy",)


async def test_an_error_keeps_the_errors_before_it(layer):
    error = LanguageModelError("lost", may_be_billed=True, failed_attempts=("busy",))

    with pytest.raises(LanguageModelError, match="lost") as caught:
        await layer(scripted(error)).complete(REQUEST)

    assert caught.value.failed_attempts == ("busy",)


async def test_what_two_layers_wait_out_is_kept_in_order(tmp_path):
    refused = LanguageModelError("too many", 429, retryable=True, unavailable=True)
    model = scripted(refused, LanguageModelError("broken", 500, retryable=True), refused, "so")

    answer = await LAYERS["as composed"](model, tmp_path).complete(REQUEST)

    assert answer.failed_attempts == ("too many", "broken", "too many")
