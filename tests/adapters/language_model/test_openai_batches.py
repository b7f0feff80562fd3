"""Batches at a real server with OpenAI's two endpoints."""

import asyncio
import json

import attrs
import pytest

from adapters.language_model.openai import OpenAILanguageModel
from adapters.language_model.openai_batches import OpenAIBatches
from adapters.language_model.routing_batches import RoutingBatches
from batch_endpoint import serving_batches
from daydreaming_dagster.ports.language_model import (
    LanguageModelError,
    ModelRequest,
    SamplingParameters,
)

KEY = ("acme", "big-1")


@pytest.fixture
def endpoint():
    with serving_batches() as endpoint:
        yield endpoint


@pytest.fixture
def later(endpoint):
    model = OpenAILanguageModel(endpoint.url, "sk-secret-of-mine", environment_proxies=False)
    return OpenAIBatches(model, "/data")


def run(later, act):
    async def close():
        try:
            return await act()
        finally:
            await later.aclose()

    return asyncio.run(close())


def ask(later, *prompts):
    """Return the end of a batch with these questions, and its answers by question."""
    lines = [
        later.line(f"q{number}", ModelRequest(prompt, "big-1", "acme"))
        for number, prompt in enumerate(prompts)
    ]

    async def act():
        file_id = await later.upload(KEY, "b1", lines)
        state = await later.submit(KEY, "b1", file_id, "c1")
        assert not state.ended
        while not state.ended:
            state = await later.look(KEY, state.id)
        return state, {
            answer.custom_id: answer.outcome async for answer in later.answers(KEY, state)
        }

    return run(later, act)


def test_questions_are_sent_as_calls_are_and_answered_with_usage_and_time(endpoint, later):
    state, answers = ask(later, "Hi\u2028there", "Judge")

    assert (state.status, state.answered, state.seconds) == ("completed", 2, 3600.0)
    assert answers["q0"].text == "Re: Hi\u2028there"
    assert answers["q1"].text == "Fair.\nSCORE: 6"
    assert answers["q0"].batch_id == "batch_0"
    assert answers["q0"].duration_seconds == 3600.0
    assert answers["q0"].prompt_tokens == 7
    assert answers["q0"].response_id == "chatcmpl-q0"
    assert endpoint.batches.batches["batch_0"]["metadata"] == {
        "daydream_batch": "b1",
        "daydream_cohort": "c1",
        "daydream_data_root": "/data",
    }


def test_a_question_has_the_parameters_of_a_call(later):
    parameters = SamplingParameters(0.5, max_tokens=9, extra_body={"reasoning_effort": "low"})
    line = json.loads(later.line("q", ModelRequest("Hi", "big-1", "acme", parameters)))
    assert line == {
        "custom_id": "q",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {
            "model": "big-1",
            "messages": [{"role": "user", "content": "Hi"}],
            "temperature": 0.5,
            "max_tokens": 9,
            "reasoning_effort": "low",
        },
    }


def test_a_prompt_that_cannot_be_sent_is_refused(later):
    with pytest.raises(LanguageModelError, match="lone surrogate"):
        later.line("q", ModelRequest("\ud800", "big-1", "acme"))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({"response": None, "error": {"code": "batch_expired", "message": "late"}}, None),
        ({"response": None, "error": {"code": "batch_cancelled", "message": "no"}}, None),
        (
            {"response": None, "error": {"code": "strange", "message": "odd sk-secret-of-mine"}},
            "its batch reports an error: odd ***",
        ),
        ({"response": None, "error": {"code": "server_error"}}, "refused with status 500"),
        (
            {
                "response": {
                    "status_code": 400,
                    "body": {"error": {"message": "too long", "type": "invalid_request_error"}},
                },
                "error": {"code": "x"},
            },
            "refused with status 400: too long; change the prompt",
        ),
        ({"response": {"status_code": 200, "body": {}}, "error": None}, "has no choices"),
    ],
)
def test_lines_without_an_answer_say_why(endpoint, later, line, expected):
    endpoint.batches.line = lambda question: {"custom_id": question["custom_id"], **line}
    _, answers = ask(later, "Hi")
    outcome = answers["q0"]
    if expected is None:
        assert outcome is None
    else:
        assert isinstance(outcome, LanguageModelError)
        assert expected in str(outcome)
        assert not outcome.may_be_billed or "has no choices" in expected


def test_lines_that_nobody_understands_are_left_out(endpoint, later):
    answered = endpoint.batches.answered
    endpoint.batches.ends = [{"output_file_id": "odd"}]
    _, answers = ask(later, "Hi")
    question = {"custom_id": "q0", "body": {"model": "m", "messages": [{"content": "Hi"}]}}
    good = json.dumps(answered(question))
    endpoint.batches.files["odd"] = f"\n[]\n{{}}\nnot JSON\n{good}".encode()
    state = run(later, lambda: later.look(KEY, "batch_0"))

    async def read():
        found = attrs.evolve(state, files=("odd",))
        return [answer.custom_id async for answer in later.answers(KEY, found)]

    assert run(later, read) == ["q0"]
    assert answers["q0"].text == "Re: Hi"


def test_a_refused_batch_says_why_of_which_lines_and_whether_there_are_too_many(endpoint, later):
    problems = [
        {"code": "invalid_json_line", "message": "line 2 is bad", "line": 2},
        {"code": "token_limit_exceeded", "message": "too many tokens", "line": None},
    ]
    endpoint.batches.ends = [{"status": "failed", "errors": {"object": "list", "data": problems}}]
    endpoint.batches.line = lambda _question: None

    state, answers = ask(later, "Hi", "Ho")

    assert state.status == "failed"
    assert state.problem == "line 2 is bad; too many tokens"
    assert state.refused == {1: "line 2 is bad"}
    assert state.too_many
    assert answers == {}


def test_a_batch_is_found_by_its_name_or_its_file_on_any_page(endpoint, later):
    endpoint.batches.page = 1
    for number in range(3):
        ask(later, f"Hi {number}")
    for batch_id, name in [("batch_0", "first"), ("batch_1", "second"), ("batch_2", "third")]:
        endpoint.batches.batches[batch_id]["metadata"]["daydream_batch"] = name
    endpoint.batches.batches["batch_1"]["metadata"] = None
    file_id = endpoint.batches.batches["batch_1"]["input_file_id"]

    assert run(later, lambda: later.find(KEY, "first", "none")).id == "batch_0"
    assert run(later, lambda: later.find(KEY, "none", file_id)).id == "batch_1"
    assert run(later, lambda: later.find(KEY, "none", "none")) is None


def test_a_cancelled_batch_ends_and_keeps_its_answers(endpoint, later):
    endpoint.batches.looks = 10**9

    async def act():
        line = later.line("q0", ModelRequest("Hi", "big-1", "acme"))
        file_id = await later.upload(KEY, "b1", [line])
        state = await later.submit(KEY, "b1", file_id, "c1")
        await later.cancel(KEY, state.id)
        state = await later.look(KEY, state.id)
        return state, [answer.custom_id async for answer in later.answers(KEY, state)]

    state, answered = run(later, act)
    assert (state.status, state.ended, answered) == ("cancelled", True, ["q0"])


@pytest.mark.parametrize(("status", "may_be_there"), [(400, False), (429, False), (500, True)])
def test_a_submission_may_have_arrived_unless_it_is_refused(endpoint, later, status, may_be_there):
    endpoint.respond = lambda _call, _handler: (status, {"error": {"message": "no"}})
    with pytest.raises(LanguageModelError) as refused:
        run(later, lambda: later.submit(KEY, "b1", "file-0", "c1"))
    assert refused.value.may_be_billed == may_be_there


def test_an_answer_that_is_no_batch_is_an_error(endpoint, later):
    for body in (b"<html>", {"object": "batch"}):
        endpoint.respond = lambda _call, _handler, body=body: (200, body)
        with pytest.raises(LanguageModelError, match=r"is not a JSON object|has no status"):
            run(later, lambda: later.look(KEY, "batch_0"))


def test_no_connection_is_an_error_that_says_so(later):
    gone = attrs.evolve(later, endpoint=OpenAILanguageModel("http://127.0.0.1:9/v1"))
    with pytest.raises(LanguageModelError, match="no connection") as error:
        run(gone, lambda: gone.look(KEY, "batch_0"))
    assert error.value.retryable


def test_models_of_endpoints_without_batches_have_no_terms(later):
    routing = RoutingBatches({"local": None, "acme": later}, None)
    assert routing.terms(("local", "small")) is None
    assert routing.terms(("other", "m")) is None
    assert routing.terms(KEY).requests == 50_000
    assert routing.terms(KEY).size == 200_000_000
    assert "sk-secret" not in repr(routing)
