"""What is asked again, and what is not, of a real HTTP endpoint and of a scripted model."""

import asyncio
import time

import pytest

from adapters.language_model.openai import OpenAILanguageModel
from adapters.language_model.retrying import RetryingLanguageModel
from adapters.language_model.scripted import ScriptedLanguageModel
from daydreaming_dagster.domain.generation.cancellation import StoppedError
from daydreaming_dagster.ports.language_model import LanguageModelError, ModelRequest

REQUEST = ModelRequest("why?", "big-1")


async def ask(model, request=REQUEST):
    try:
        return await model.complete(request)
    finally:
        await model.aclose()


def quick(inner, **settings):
    return RetryingLanguageModel(inner, first_wait_seconds=0.01, **settings)


def scripted(*answers):
    remaining = list(answers)
    return ScriptedLanguageModel(lambda _request: remaining.pop(0))


@pytest.mark.parametrize("status", [408, 500, 502])
async def test_what_may_pass_is_asked_again(chat_endpoint, status):
    answers = [(status, {"error": {"message": "busy"}}), "because"]
    chat_endpoint.answer = lambda _prompt: answers.pop(0)

    completion = await ask(quick(OpenAILanguageModel(chat_endpoint.base_url)))

    assert completion.text == "because"
    assert len(chat_endpoint.bodies) == 2
    assert len(completion.failed_attempts) == 1
    assert f"refused with status {status}: busy" in completion.failed_attempts[0]


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_what_will_not_pass_is_asked_once(chat_endpoint, status):
    chat_endpoint.answer = lambda _prompt: (status, {"error": {"message": "no"}})

    with pytest.raises(LanguageModelError, match=f"status {status}"):
        await ask(quick(OpenAILanguageModel(chat_endpoint.base_url)))

    assert len(chat_endpoint.bodies) == 1


async def test_what_may_have_been_billed_is_not_asked_again():
    busy = LanguageModelError("busy", 429, retryable=True)
    lost = LanguageModelError("lost", retryable=True, may_be_billed=True)
    model = scripted(busy, lost, "never")

    with pytest.raises(LanguageModelError, match="lost") as caught:
        await ask(quick(model))

    assert len(model.requests) == 2
    assert caught.value.failed_attempts == ("busy",)


async def test_the_last_error_is_raised_when_attempts_run_out():
    errors = [LanguageModelError(f"busy {n}", retryable=True) for n in range(4)]
    model = scripted(*errors)

    with pytest.raises(LanguageModelError, match="busy 2"):
        await ask(quick(model, attempts=3))

    assert len(model.requests) == 3


async def test_an_endpoint_is_waited_for_as_long_as_it_asks():
    model = scripted(LanguageModelError("busy", 429, retryable=True, retry_after_seconds=0.3), "x")
    started = time.monotonic()

    assert (await ask(quick(model))).text == "x"

    assert time.monotonic() - started >= 0.3


async def test_an_endpoint_that_asks_for_too_long_is_not_waited_for():
    model = scripted(LanguageModelError("busy", 429, retryable=True, retry_after_seconds=3600))

    with pytest.raises(LanguageModelError, match="busy"):
        await ask(quick(model, longest_wait_seconds=60))

    assert len(model.requests) == 1


async def test_an_endpoint_that_takes_no_calls_was_waited_for_before():
    model = scripted(LanguageModelError("busy", 429, retryable=True, unavailable=True), "never")

    with pytest.raises(LanguageModelError, match="busy"):
        await ask(quick(model))

    assert len(model.requests) == 1


async def test_a_mistake_in_the_program_is_not_asked_again():
    model = scripted(ValueError("a bug"), "never")

    with pytest.raises(ValueError, match="a bug"):
        await ask(quick(model))


async def test_an_answer_at_once_has_no_failed_attempts():
    assert (await ask(quick(scripted("because")))).failed_attempts == ()


async def test_waiting_can_be_cancelled():
    model = scripted(LanguageModelError("busy", 429, retryable=True, retry_after_seconds=60))

    asking = asyncio.create_task(quick(model).complete(REQUEST))
    await asyncio.sleep(0.05)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)

    assert asking.cancelled()


async def test_a_run_that_stops_makes_no_further_attempt():
    model = scripted(LanguageModelError("busy", 429, retryable=True, retry_after_seconds=60))

    retrying = quick(model)
    asking = asyncio.create_task(retrying.complete(REQUEST))
    await asyncio.sleep(0.05)
    retrying.stop("enough")

    with pytest.raises(StoppedError, match="enough"):
        await asyncio.wait_for(asking, timeout=60)

    assert len(model.requests) == 1
