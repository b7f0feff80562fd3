"""Several endpoints that serve the same models share the load."""

import asyncio
from datetime import UTC, datetime

import attrs
import pytest

from adapters.language_model.scripted import ScriptedLanguageModel
from adapters.language_model.sharing import SharingLanguageModel
from adapters.language_model.unusable import UnusableLanguageModel
from daydreaming_dagster.ports.language_model import LanguageModelError, ModelRequest, Wait

REQUEST = ModelRequest("why?", "big-1", "acme")


def failing(**details):
    return ScriptedLanguageModel(lambda _request: LanguageModelError("no", **details))


async def test_each_gets_the_same_share_of_calls_that_come_together():
    inners = [ScriptedLanguageModel(lambda _request: "so", latency_seconds=0.05) for _ in range(3)]
    model = SharingLanguageModel(inners)

    await asyncio.gather(*(model.complete(REQUEST) for _ in range(12)))

    assert [len(inner.requests) for inner in inners] == [4, 4, 4]


async def test_a_slow_one_gets_fewer():
    slow, fast = (ScriptedLanguageModel(lambda _request: "so", seconds) for seconds in (0.2, 0.01))
    model = SharingLanguageModel([slow, fast])

    questions = iter([REQUEST] * 10)

    async def ask_in_turn():
        for _ in questions:
            await model.complete(REQUEST)

    await asyncio.gather(ask_in_turn(), ask_in_turn())

    assert len(slow.requests) < len(fast.requests)


async def test_another_one_gets_what_one_refuses_to_everybody():
    answering = ScriptedLanguageModel(lambda _request: "so")
    model = SharingLanguageModel([failing(of_endpoint=True), answering])

    completion = await model.complete(REQUEST)

    assert (completion.text, completion.failed_attempts) == ("so", ("no",))


@attrs.define
class Loading(ScriptedLanguageModel):
    """Says that it is waited for, and answers never."""

    async def complete(self, request):
        self.requests.append(request)
        request.on_wait(Wait("big-1", datetime.now(UTC), "unavailable"))
        await asyncio.sleep(60)


async def test_another_one_gets_what_would_have_to_wait():
    loading, answering = Loading(str), ScriptedLanguageModel(lambda _request: "so")
    model = SharingLanguageModel([loading, answering])

    answer = await asyncio.wait_for(model.complete(REQUEST), 30)

    assert answer.text == "so"
    assert len(loading.requests) == len(answering.requests) == 1


async def test_if_all_have_to_wait_the_caller_hears_of_it():
    waits = []
    model = SharingLanguageModel([Loading(str), Loading(str)])
    call = asyncio.create_task(model.complete(attrs.evolve(REQUEST, on_wait=waits.append)))
    while not waits:  # noqa: ASYNC110  no event tells it from outside
        await asyncio.sleep(0.005)
    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call
    assert len(waits) == 1


@pytest.mark.parametrize("details", [{}, {"of_endpoint": True, "may_be_billed": True}])
async def test_what_another_one_would_refuse_too_or_may_be_billed_is_asked_once(details):
    other = ScriptedLanguageModel(lambda _request: "so")
    model = SharingLanguageModel([failing(**details), other])

    with pytest.raises(LanguageModelError, match="no"):
        await model.complete(REQUEST)

    assert other.requests == []


async def test_if_none_answers_the_last_error_has_the_others():
    model = SharingLanguageModel([failing(of_endpoint=True), UnusableLanguageModel("set KEY")])

    with pytest.raises(LanguageModelError, match="set KEY") as caught:
        await model.complete(REQUEST)

    assert caught.value.failed_attempts == ("no",)
    assert model.check([("acme", "big-1")]) == ("set KEY",)
