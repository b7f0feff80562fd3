import asyncio
import time

import pytest

from adapters.language_model.scripted import ScriptedLanguageModel
from daydreaming_dagster.ports.language_model import Completion, LanguageModelError, ModelRequest

FIRST, SECOND = ModelRequest("First.", "big-1"), ModelRequest("Second.", "big-2")


async def ask(model: ScriptedLanguageModel, *requests: ModelRequest) -> list[Completion]:
    try:
        return await asyncio.gather(*(model.complete(request) for request in requests))
    finally:
        await model.aclose()


async def test_a_text_becomes_a_completion_of_the_model_that_was_asked():
    model = ScriptedLanguageModel(lambda request: request.prompt.upper())
    assert (await ask(model, FIRST, SECOND)) == [
        Completion("FIRST.", "stop", "big-1", 0.0),
        Completion("SECOND.", "stop", "big-2", 0.0),
    ]


async def test_a_completion_is_returned_as_it_is():
    completion = Completion("Half a th", "length", "big-1-0613", 1.5, 3, 4)
    (answer,) = await ask(ScriptedLanguageModel(lambda _request: completion), FIRST)
    assert answer is completion


async def test_an_exception_is_raised_whether_the_script_returns_or_raises_it():
    error = LanguageModelError("no answer")
    with pytest.raises(LanguageModelError) as caught:
        await ask(ScriptedLanguageModel(lambda _request: error), FIRST)
    assert caught.value is error
    with pytest.raises(ZeroDivisionError):
        await ask(ScriptedLanguageModel(lambda _request: str(1 / 0)), FIRST)


async def test_remembers_requests_in_their_order_and_those_that_failed():
    model = ScriptedLanguageModel(lambda _request: LanguageModelError("no answer"))
    for request in (SECOND, FIRST):
        with pytest.raises(LanguageModelError):
            await ask(model, request)
    assert model.requests == [SECOND, FIRST]


async def test_a_script_with_a_memory_answers_in_the_order_of_the_requests():
    answers = iter(["one", "two"])
    model = ScriptedLanguageModel(lambda _request: next(answers), latency_seconds=0.01)
    completions = await ask(model, FIRST, SECOND)
    assert [completion.text for completion in completions] == ["one", "two"]


async def test_takes_its_latency_for_each_call_and_calls_run_side_by_side():
    model = ScriptedLanguageModel(lambda _request: "x", latency_seconds=0.1)
    started = time.perf_counter()
    completions = await ask(model, *[FIRST] * 1000)
    assert 0.1 <= time.perf_counter() - started < 50  # and not 100
    assert {c.duration_seconds for c in completions} == {0.1}
