"""Answers that come in parts, from a server on this machine, are what they are in one piece."""

import asyncio
import json

import attrs
import pytest

from adapters.language_model.openai import OpenAILanguageModel
from adapters.language_model.streaming import StreamedAnswer, read_events
from daydreaming_dagster.ports.language_model import (
    LanguageModelError,
    ModelRequest,
    SamplingParameters,
)
from endpoint import Endpoint, serving

REQUEST = ModelRequest("Dream.", "big-1", "acme")
USAGE = {"prompt_tokens": 3, "completion_tokens": 5}


def delta(content=None, finish_reason=None, **more):
    choice = {"index": 0, "delta": {"content": content, **more}, "finish_reason": finish_reason}
    return {"id": "chatcmpl-1", "model": "big-1-0613", "choices": [choice], "usage": None}


ONCE = delta("Once", role="assistant")
STOP = delta(finish_reason="stop")
LAST = {"id": "chatcmpl-1", "model": "big-1-0613", "choices": [], "usage": USAGE}


@pytest.fixture
def endpoint():
    with serving(Endpoint(lambda handler: handler.stream(ONCE, STOP, LAST))) as endpoint:
        yield endpoint


@pytest.fixture
def model(endpoint):
    return OpenAILanguageModel(endpoint.url, "a-key", stream=True)


async def ask(model, request=REQUEST):
    try:
        return await model.complete(request)
    finally:
        await model.aclose()


async def failure(model):
    with pytest.raises(LanguageModelError) as caught:
        await ask(model)
    return caught.value


def whole(message, finish_reason="stop"):
    """Return the body that an endpoint sends if it does not stream."""
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return {"id": "chatcmpl-1", "model": "big-1-0613", "choices": [choice], "usage": USAGE}


THOUGHT = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}]


@pytest.mark.parametrize(
    ("events", "body"),
    [
        (
            [ONCE, delta(" upon"), delta(" a\u2028time\r\n"), STOP, LAST],
            whole({"content": "Once upon a\u2028time\r\n"}),
        ),
        ([ONCE, delta(finish_reason="length"), LAST], whole({"content": "Once"}, "length")),
        (
            [delta("", reasoning_content="H"), delta(reasoning_content="m."), ONCE, STOP, LAST],
            whole({"content": "Once", "reasoning_content": "Hm."}),
        ),
        (
            [delta(THOUGHT), delta(THOUGHT), ONCE, STOP, LAST],
            whole({"content": [*THOUGHT * 2, "Once"]}),
        ),
        (
            [delta(refusal="I "), delta(refusal="can't."), STOP, LAST],
            whole({"refusal": "I can't."}),
        ),
        ([delta(reasoning="Hm."), STOP, LAST], whole({"content": None, "reasoning": "Hm."})),
        ([STOP, LAST], whole({"content": None})),
    ],
    ids=["text", "cut off", "reasoning", "parts", "refusal", "reasoning alone", "nothing"],
)
async def test_a_streamed_answer_is_recorded_as_the_same_answer_in_one_piece(
    endpoint, model, events, body
):
    endpoint.answer = lambda handler: handler.stream(*events)
    streamed = await ask(model)
    endpoint.always(200, body)
    plain = await ask(attrs.evolve(model, stream=False))

    asked = [received.body for received in endpoint.received]
    assert asked[0] == {**asked[1], "stream": True, "stream_options": {"include_usage": True}}
    assert json.loads(streamed.response or "{}").get("usage") == (
        json.loads(plain.response or "{}").get("usage")
    )
    assert attrs.evolve(streamed, duration_seconds=1.0) == attrs.evolve(plain, duration_seconds=1.0)


async def test_an_endpoint_that_does_not_stream_is_understood(endpoint, model):
    endpoint.always(200, whole({"content": "Once"}))

    assert (await ask(model)).text == "Once"


async def test_a_stream_may_end_without_its_usage_or_its_last_mark(endpoint, model):
    endpoint.answer = lambda handler: handler.stream(ONCE, STOP, done=False)
    completion = await ask(model)
    assert (completion.text, completion.finish_reason) == ("Once", "stop")
    assert completion.completion_tokens is None

    endpoint.answer = lambda handler: handler.stream(ONCE, done=True)
    completion = await ask(model)
    assert (completion.text, completion.finish_reason) == ("Once", "")

    endpoint.answer = lambda handler: handler.stream(ONCE, STOP, done=False, whole=False)
    assert (await ask(model)).text == "Once"


@pytest.mark.parametrize("events", [[], [ONCE], [ONCE, 'data: {"choi'], [ONCE, "data: {\n\n"]])
@pytest.mark.parametrize("whole", [True, False])
async def test_a_stream_that_ends_before_its_answer_is_a_lost_connection(
    endpoint, model, events, whole
):
    endpoint.answer = lambda handler: handler.stream(*events, done=False, whole=whole)

    error = await failure(model)

    assert "the connection was lost (" in str(error)
    assert (error.retryable, error.of_endpoint, error.may_be_billed) == (True, True, True)


OVERLOADED = {"error": {"type": "overloaded_error", "message": "Busy."}}


async def test_an_error_before_the_text_is_a_refusal(endpoint, model):
    endpoint.answer = lambda handler: handler.stream(OVERLOADED, done=False)

    error = await failure(model)

    assert "refused with status 529: Busy." in str(error)
    assert (error.unavailable, error.may_be_billed) == (True, False)


async def test_an_error_in_the_middle_of_the_text_is_a_lost_connection(endpoint, model):
    endpoint.answer = lambda handler: handler.stream(ONCE, OVERLOADED)

    error = await failure(model)

    assert "the connection was lost (the endpoint reports an error: Busy.)" in str(error)
    assert (error.retryable, error.may_be_billed) == (True, True)


async def test_a_text_that_a_filter_ended_is_kept(endpoint, model):
    refusal = {"error": {"code": 403, "message": "No."}}
    endpoint.answer = lambda handler: handler.stream(ONCE, refusal)

    completion = await ask(model)

    assert (completion.text, completion.unreadable) == (
        "Once",
        "the endpoint reports an error: No.",
    )
    assert "Once" in completion.response


async def test_the_first_token_and_the_whole_answer_have_limits_of_their_own(endpoint, model):
    def wait(handler, first, then):
        endpoint.over.wait(first)
        handler.stream(ONCE, done=False, whole=False)
        endpoint.over.wait(then)

    def limited(first, all_in_all):
        return attrs.evolve(model, first_token_timeout_seconds=first, timeout_seconds=all_in_all)

    endpoint.answer = lambda handler: wait(handler, 30, 0)
    assert "no first token within 0.3 s" in str(await failure(limited(0.3, 30)))
    endpoint.answer = lambda handler: wait(handler, 0, 30)
    error = await failure(limited(30, 1))
    assert "no answer within 1 s" in str(error)
    assert (error.retryable, error.may_be_billed) == (True, True)


async def test_a_slow_answer_is_not_cut_at_the_limit_of_the_first_token(endpoint, model):
    def dawdle(handler):
        events = [ONCE, STOP, LAST]
        handler.stream(events[0], done=False, whole=False)
        endpoint.over.wait(3.5)
        text = "".join(f"data: {json.dumps(event)}\n\n" for event in events[1:])
        handler.wfile.write(f"{len(text):x}\r\n{text}\r\n0\r\n\r\n".encode())

    endpoint.answer = dawdle

    # The limit leaves a busy machine time for the first token.
    answer = await ask(attrs.evolve(model, first_token_timeout_seconds=3))

    assert (answer.text, answer.completion_tokens) == ("Once", 5)


async def test_an_endpoint_that_cannot_stream_is_asked_without_from_then_on(endpoint, model):
    streamed = []

    def refuse(handler):
        streamed.append("stream" in handler.body)
        if "stream_options" in handler.body:
            handler.reply(400, {"error": {"message": "Unknown parameter: 'stream_options'"}})
        else:
            handler.reply(200, whole({"content": "Once"}))

    endpoint.answer = refuse

    for _ in range(2):
        assert (await ask(model)).text == "Once"

    assert streamed == [True, False, False]


async def test_other_refusals_of_the_request_stand(endpoint, model):
    endpoint.always(400, {"error": {"message": "Too long."}})

    assert "Too long." in str(await failure(model))
    assert len(endpoint.received) == 1


async def test_extra_body_may_turn_it_off_for_a_cohort(endpoint, model):
    endpoint.always(200, whole({"content": "Once"}))
    parameters = SamplingParameters(extra_body={"stream": False})

    await ask(model, attrs.evolve(REQUEST, parameters=parameters))

    assert endpoint.received[0].body["stream"] is False


async def test_a_call_that_is_cancelled_leaves_the_stream(endpoint, model):
    def wait(handler):
        handler.stream(ONCE, done=False, whole=False)
        endpoint.over.wait(30)

    endpoint.answer = wait
    call = asyncio.create_task(ask(model))
    await asyncio.to_thread(endpoint.asked.wait, 30)
    await asyncio.sleep(0.1)
    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call


async def events_of(*chunks):
    async def source():
        for chunk in chunks:
            yield chunk

    return [event async for event in read_events(source())]


async def test_events_are_read_wherever_the_stream_is_split():
    stream = 'ping: x\n: hello\r\n\r\ndata: {"a": "é\u2028"}\n\ndata:b\r\ndata: c\r\n\r\n'.encode()

    for place in range(len(stream) + 1):
        assert await events_of(stream[:place], stream[place:]) == ['{"a": "é\u2028"}', "b\nc"]
    assert await events_of(*(bytes([byte]) for byte in stream)) == ['{"a": "é\u2028"}', "b\nc"]


def test_what_is_no_part_of_an_answer_is_passed_over():
    answer = StreamedAnswer()
    for event in ("[]", '"x"', '{"choices": [7]}', '{"choices": [{"delta": null}]}', "{}"):
        assert answer.add(event)

    assert (answer.began, answer.ended, answer.error) == (False, False, None)
    assert answer.body() == {}


def test_an_object_in_parts_is_put_together():
    answer = StreamedAnswer()
    for arguments in ("{", "}"):
        audio = {"id": "a1", "data": arguments, "more": {"n": 1}}
        answer.add(json.dumps({"choices": [{"delta": {"role": "assistant", "audio": audio}}]}))

    message = answer.body()["choices"][0]["message"]
    assert message == {"role": "assistant", "audio": {"id": "a1", "data": "{}", "more": {"n": 1}}}
