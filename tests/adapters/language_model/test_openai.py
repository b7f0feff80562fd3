"""What `OpenAILanguageModel` sends and makes of the answers, against a server on this machine."""

import asyncio
import json
import pickle
import socket
import struct
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator

import attrs
import pytest

from adapters.language_model.limiting import LimitingLanguageModel
from adapters.language_model.openai import OpenAILanguageModel
from adapters.language_model.retrying import RetryingLanguageModel
from calls import PATIENCE
from daydreaming_dagster.ports.language_model import (
    Completion,
    LanguageModelError,
    Message,
    ModelRequest,
    SamplingParameters,
)
from endpoint import Endpoint, Handler, serving

KEY = "sk-a-key-that-nobody-may-see"
REQUEST = ModelRequest("Dream.\r\n", "big-1", "acme")
ANSWER = {
    "model": "big-1-0613",
    "choices": [{"finish_reason": "stop", "message": {"content": " A dream.\r\n"}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 5},
}


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving(Endpoint(lambda handler: handler.reply(200, ANSWER))) as endpoint:
        yield endpoint


@pytest.fixture
def model(endpoint: Endpoint) -> OpenAILanguageModel:
    return OpenAILanguageModel(endpoint.url, KEY)


async def ask(
    model: OpenAILanguageModel, *requests: ModelRequest, close: bool = True
) -> list[Completion]:
    try:
        return await asyncio.gather(*(model.complete(request) for request in requests or [REQUEST]))
    finally:
        if close:
            await model.aclose()


async def failure(
    model: OpenAILanguageModel, request: ModelRequest = REQUEST
) -> LanguageModelError:
    with pytest.raises(LanguageModelError) as caught:
        await ask(model, request)
    assert "big-1 at http://127.0.0.1:" in str(caught.value)
    assert KEY not in "".join(traceback.format_exception(caught.value))
    return caught.value


async def test_returns_what_the_endpoint_answered(model):
    (completion,) = await ask(model)
    assert 0 < completion.duration_seconds < 30
    assert attrs.evolve(completion, duration_seconds=1.0) == Completion(
        " A dream.\r\n", "stop", "big-1-0613", 1.0, 3, 5
    )


async def test_takes_an_answer_without_what_not_every_endpoint_gives(endpoint, model):
    endpoint.always(200, {"choices": [{"message": {"content": "Hm."}}], "usage": None})
    (completion,) = await ask(model)
    assert completion == Completion("Hm.", "", "big-1", completion.duration_seconds)


@pytest.mark.parametrize("usage", [{"prompt_tokens": "7", "completion_tokens": [5]}, [7, 5], 12])
async def test_an_answer_counts_though_what_is_said_about_it_makes_no_sense(endpoint, model, usage):
    choice = {"message": {"content": "Hm."}, "finish_reason": 1}
    endpoint.always(200, {"choices": [choice], "usage": usage, "model": ["big-1"]})
    (completion,) = await ask(model)
    assert completion == Completion("Hm.", "1", "big-1", completion.duration_seconds)


async def test_sends_one_user_message_and_nothing_that_was_not_asked_for(endpoint, model):
    await ask(model)
    (received,) = endpoint.received
    assert received.path == "/v1/chat/completions"
    assert received.headers["Authorization"] == f"Bearer {KEY}"
    assert received.body == {
        "model": "big-1",
        "messages": [{"role": "user", "content": "Dream.\r\n"}],
    }


async def test_sends_each_turn_as_a_message_of_its_role(endpoint, model):
    turns = [("system", "Be brief."), ("user", "a"), ("assistant", "b"), ("user", "c")]

    await ask(model, ModelRequest([Message(*turn) for turn in turns], "big-1"))

    sent = endpoint.received[0].body["messages"]
    assert [(message["role"], message["content"]) for message in sent] == turns


async def test_sends_parameters_under_their_names_and_extra_body_as_it_is(endpoint, model):
    parameters = SamplingParameters(
        temperature=0.0,
        top_p=0.5,
        max_tokens=7,
        seed=0,
        extra_body={"grammar": "root ::= [0-9]", "reasoning": {"effort": "low"}, "stop": None},
    )
    await ask(model, attrs.evolve(REQUEST, parameters=parameters))
    (received,) = endpoint.received
    assert received.body == {
        "model": "big-1",
        "messages": [{"role": "user", "content": "Dream.\r\n"}],
        "temperature": 0.0,
        "top_p": 0.5,
        "max_tokens": 7,
        "seed": 0,
        "grammar": "root ::= [0-9]",
        "reasoning": {"effort": "low"},
        "stop": None,
    }


async def test_no_parameter_takes_the_place_of_the_question(endpoint, model):
    """Planning refuses these; metadata that was planned before may hold them."""
    parameters = SamplingParameters(extra_body={"messages": [], "model": "small-1"})
    await ask(model, attrs.evolve(REQUEST, parameters=parameters))
    (received,) = endpoint.received
    assert received.body["model"] == "big-1"
    assert received.body["messages"] == [{"role": "user", "content": "Dream.\r\n"}]


async def test_answers_many_requests_at_once(endpoint, model):
    all_asked = threading.Barrier(20, timeout=PATIENCE)

    def answer(handler: Handler) -> None:
        prompt = handler.body["messages"][0]["content"]
        all_asked.wait()
        handler.reply(200, {"choices": [{"message": {"content": prompt}}]})

    endpoint.answer = answer
    prompts = [f"Dream {i}." for i in range(20)]
    completions = await ask(model, *(ModelRequest(prompt, "big-1") for prompt in prompts))
    assert [completion.text for completion in completions] == prompts


@pytest.mark.parametrize(
    ("status", "advice", "retryable"),
    [
        (400, "change the prompt or the sampling parameters", False),
        (401, "check the key in the environment variable ACME_KEY", False),
        (402, "add credit to the account that the key in ACME_KEY belongs to", False),
        (403, "use another key in ACME_KEY", False),
        (404, "check the model's name, and the URL", False),
        (413, "shorten the prompt", False),
        (418, "check that the URL in OPENAI_BASE_URL is an OpenAI-compatible", False),
        (422, "change the prompt or the sampling parameters", False),
        (429, "wait and retry", True),
        (500, "retry later", True),
        (503, "retry later", True),
        (504, "retry later", True),
    ],
)
async def test_says_why_the_endpoint_refused_and_what_to_do(endpoint, status, advice, retryable):
    endpoint.always(status, {"error": {"message": "The moon is full.", "code": "moon"}})
    error = await failure(OpenAILanguageModel(endpoint.url, KEY, api_key_variable="ACME_KEY"))
    assert f"refused with status {status}: The moon is full.; " in str(error)
    assert advice in str(error)
    assert (error.status, error.retryable) == (status, retryable)
    assert len(endpoint.received) == 1, "it was asked more than once"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": "model not found"}, "model not found"),
        ({"detail": "no such route"}, "{'detail': 'no such route'}"),
        (b"<html>\n<h1>Bad gateway</h1>", "<html> <h1>Bad gateway</h1>"),
        (b"", ""),
    ],
    ids=["a text", "another form", "HTML", "nothing"],
)
async def test_quotes_a_refusal_of_any_form(endpoint, model, body, words):
    endpoint.always(502, body)
    assert f"refused with status 502: {words}" in str(await failure(model))


@pytest.mark.parametrize(
    ("status", "billed"), [(408, False), (502, False), (503, False), (504, True), (524, True)]
)
async def test_a_gateway_that_gave_up_waiting_for_the_model_may_be_billed(
    endpoint, model, status, billed
):
    endpoint.always(status, {"error": "timed out"})
    error = await failure(model)
    assert (error.retryable, error.may_be_billed) == (True, billed)


async def test_quotes_the_beginning_of_a_long_refusal(endpoint, model):
    endpoint.always(500, {"error": {"message": "no " * 1000}})
    assert len(str(await failure(model))) < 500


@pytest.mark.parametrize("key", ["code", "type"])
async def test_an_exhausted_quota_is_not_worth_another_try(endpoint, model, key):
    endpoint.always(429, {"error": {"message": "Pay.", key: "insufficient_quota"}})
    error = await failure(model)
    assert (error.retryable, error.unavailable, error.of_endpoint) == (False, False, True)


async def test_passes_on_how_long_to_wait(endpoint, model):
    endpoint.always(429, {}, Retry_After="7")
    assert (await failure(model)).retry_after_seconds == 7
    endpoint.always(429, {}, X_RateLimit_Reset_Requests="1m30s")
    assert (await failure(model)).retry_after_seconds == 90


async def test_nobody_waits_until_the_year_9999(endpoint, model, tmp_path):
    endpoint.always(429, {}, Retry_After="Fri, 31 Dec 9999 23:59:59 GMT")
    retrying = RetryingLanguageModel(LimitingLanguageModel(model, {}, tmp_path, 1))

    calls = (retrying.complete(REQUEST) for _ in range(2))
    first, second = await asyncio.gather(*calls, return_exceptions=True)
    await retrying.aclose()

    assert "refused with status 429" in str(first)
    assert "its endpoint takes no calls until 9999-12-31" in str(second)
    assert len(endpoint.received) == 1


@pytest.mark.parametrize(
    "error",
    [{"code": 429}, {"code": "429"}, {"code": 429.0}, {"type": "rate_limit_error"}],
    ids=str,
)
@pytest.mark.parametrize(
    "beside", [{}, {"choices": []}, {"choices": [{"message": {"content": ""}}]}], ids=str
)
async def test_a_refusal_under_status_200_is_one_too(endpoint, model, error, beside):
    endpoint.always(200, {"error": {**error, "message": "Slow down."}, **beside})
    error = await failure(model)
    assert "refused with status 429: Slow down.; wait and retry" in str(error)
    assert (error.status, error.unavailable, error.may_be_billed) == (429, True, False)


async def test_an_answer_that_begins_well_and_ends_early_is_a_lost_connection(endpoint, model):
    endpoint.always(200, b'{"choices": [{"message": {"content": "Once')
    error = await failure(model)
    assert 'the connection was lost (it ends early: {"choices": [{"mess' in str(error)
    assert (error.retryable, error.of_endpoint, error.may_be_billed) == (True, True, True)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, {"error": {"message": "slow down"}}),
        (503, b"loading"),
        (529, {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}),
        (500, {"error": {"type": "overloaded_error", "message": "busy"}}),
        (400, [{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "busy"}}]),
    ],
)
async def test_a_refusal_for_load_is_told_from_others(endpoint, model, status, body):
    endpoint.always(status, body)
    error = await failure(model)
    assert (error.unavailable, error.retryable, error.of_endpoint) == (True, True, True)


@pytest.mark.parametrize("status", [400, 401, 404, 408, 500, 502, 504])
async def test_other_refusals_are_not_for_load(endpoint, model, status):
    endpoint.always(status, {"error": {"message": "no"}})
    assert not (await failure(model)).unavailable


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<!doctype html><p>Sign in to the hotel</p>", "is not JSON: <!doctype html><p>Sign in"),
        (b"{choices: []}", "is not JSON: {choices: []}"),
        (b"\xff\xfe\x00", "is not JSON: "),
        (b"[" * 100_000, "is not JSON: [[["),
        ([], "has no choices: []"),
        ({"choices": []}, 'has no choices: {"choices": []}'),
        ({"choices": None}, 'has no choices: {"choices": null}'),
        ({"error": {"message": "Later."}}, "reports an error: Later.; "),
        ({"error": {"reason": "tide"}}, 'reports an error: {"error": {"reason": "tide"}}; '),
        ({"error": "Later.", "choices": [{"message": {"content": ""}}]}, "an error: Later.; "),
        ({"error": {"code": True, "message": "Later."}}, "reports an error: Later.; "),
        ({"choices": [{"message": {}, "error": {"message": "Later."}}]}, "an error: Later.; "),
    ],
)
async def test_an_answer_that_is_not_a_completion_is_an_error(endpoint, model, body, message):
    endpoint.always(200, body)
    error = await failure(model)
    assert message in str(error)
    assert (error.status, error.retryable, error.may_be_billed) == (None, False, True)


@pytest.mark.parametrize("content", [None, "", " \n"])
async def test_an_answer_cut_off_before_it_began_was_paid_for_and_is_one(endpoint, model, content):
    choice = {"finish_reason": "length", "message": {"content": content, "reasoning": "Hm…"}}
    endpoint.always(200, {**ANSWER, "choices": [choice]})

    (completion,) = await ask(model)

    assert (completion.text, completion.finish_reason) == (content or "", "length")
    assert completion.completion_tokens == 5
    assert (completion.reasoning, completion.unreadable) == (
        "Hm…",
        "it holds reasoning and no text",
    )


async def test_what_cannot_be_read_of_a_paid_answer_is_kept_as_it_came(endpoint, model):
    body = b'{"choices": [ {"message": {"audio": "UklG\xff\n", "id": 1e999}} ]}'
    endpoint.always(200, body)

    (completion,) = await ask(model)

    assert (completion.text, completion.unreadable) == ("", "it holds no text")
    assert completion.response == body.decode(errors="replace")


async def test_the_whole_response_is_kept_as_compact_json_without_the_key(endpoint, model):
    body = {**ANSWER, "provider": "acme", "echo": f"Bearer {KEY}", "logprobs": [1.5, {"a": "é"}]}
    endpoint.always(200, json.dumps(body, indent=2).encode())

    (completion,) = await ask(model)

    assert json.loads(completion.response) == {**body, "echo": "Bearer ***"}
    assert "\n" not in completion.response


async def test_headers_with_limits_are_kept_and_others_are_not(endpoint, model):
    limits = {
        "X-RateLimit-Remaining-Tokens": "7",
        "x-request-id": f"r-{KEY}",
        "CF-Cache-Status": "HIT",
    }
    endpoint.always(200, ANSWER, Set_Cookie="a=b", Cache_Control="no-store", **limits)

    (completion,) = await ask(model)

    assert completion.headers == {
        "x-ratelimit-remaining-tokens": "7",
        "x-request-id": "r-***",
        "cf-cache-status": "HIT",
    }


async def test_an_answer_with_a_long_header_is_not_lost(endpoint, model):
    endpoint.always(200, ANSWER, Content_Security_Policy="connect-src 'self' " * 2000)

    (completion,) = await ask(model)

    assert completion.text == " A dream.\r\n"


async def test_a_header_that_is_no_text_is_kept_in_a_form_that_can_be_stored(endpoint, model):
    endpoint.always(200, ANSWER, X_Request_Id="caf\xe9")  # sent as Latin-1

    (completion,) = await ask(model)

    assert completion.headers["x-request-id"].isascii()


async def test_gives_up_after_the_timeout(endpoint):
    endpoint.answer = lambda _handler: endpoint.over.wait(30)
    error = await failure(OpenAILanguageModel(endpoint.url, KEY, timeout_seconds=0.2))
    assert "no answer within 0.2 s; request fewer tokens" in str(error)
    assert (error.retryable, error.may_be_billed) == (True, True)


async def test_gives_up_on_an_endpoint_that_trickles(endpoint):
    """The timeout is for the whole call, not for each of its parts."""

    def trickle(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        while not endpoint.over.wait(0.05):
            try:
                handler.wfile.write(b" ")
            except OSError:
                return

    endpoint.answer = trickle
    error = await failure(OpenAILanguageModel(endpoint.url, KEY, timeout_seconds=0.3))
    assert "no answer within 0.3 s" in str(error)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"Hello!\r\n\r\n",
    ],
    ids=["nothing", "half a head", "half a body", "bad chunks", "bad gzip", "no HTTP"],
)
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
async def test_a_connection_that_is_lost_after_the_request_may_be_billed(
    endpoint, model, sent, reset
):
    def drop(handler: Handler) -> None:
        handler.wfile.write(sent)
        handler.close_connection = True
        if reset:
            linger = struct.pack("ii", 1, 0)
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            handler.connection.close()

    endpoint.answer = drop
    error = await failure(model)
    assert "the connection was lost (" in str(error)
    assert (error.retryable, error.of_endpoint, error.may_be_billed) == (True, True, True)


async def test_asks_whether_an_endpoint_that_refuses_connections_is_up(endpoint):
    closed = OpenAILanguageModel("http://127.0.0.1:9/v1")  # the discard service, which nobody runs
    error = await failure(closed)
    assert str(error) == (
        "big-1 at http://127.0.0.1:9/v1: no connection (Connection refused); check that the "
        "endpoint is up at that URL"
    )
    assert (error.unavailable, error.retryable, error.may_be_billed) == (True, True, False)


async def test_a_host_that_nobody_knows_is_not_billed():
    with pytest.raises(LanguageModelError, match=r"no connection \(") as caught:
        await ask(OpenAILanguageModel("http://nowhere.invalid/v1"))
    assert not caught.value.may_be_billed


async def test_a_prompt_that_cannot_be_sent_is_an_error(endpoint, model):
    assert "lone surrogate" in str(await failure(model, ModelRequest("\ud83d", "big-1")))
    assert endpoint.received == []


async def test_cancelling_a_call_cancels_it(endpoint, model):
    endpoint.answer = lambda _handler: endpoint.over.wait(30)

    call = asyncio.create_task(ask(model))
    await asyncio.to_thread(endpoint.asked.wait, 30)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_connections_are_kept_until_aclose_and_opened_anew_after_it(endpoint, model):
    for close in (False, True, True):
        await ask(model, close=close)
    await model.aclose()
    first, second, third = (received.client_address for received in endpoint.received)
    assert first == second
    assert third != second


def test_serves_one_event_loop_after_the_other(endpoint, model):
    for _ in range(3):
        asyncio.run(ask(model))
    assert len(endpoint.received) == 3


async def test_the_key_shows_up_nowhere(endpoint, model):
    assert KEY not in repr(model)
    endpoint.always(401, {"error": {"message": f"Incorrect API key provided: {KEY}"}})
    assert "Incorrect API key provided: ***; " in str(await failure(model))
    endpoint.always(200, f"<p>Bearer {KEY}</p>".encode())
    assert "<p>Bearer ***</p>" in str(await failure(model))


async def test_parts_of_the_key_show_up_nowhere_either(endpoint, model):
    endpoint.always(401, {"error": {"message": f"Incorrect: {KEY[:14]}…{KEY[14:]}"}})
    assert "Incorrect: ***…***; " in str(await failure(model))


async def test_credentials_in_the_url_are_sent_and_not_shown(endpoint):
    host = endpoint.url.removeprefix("http://")
    model = OpenAILanguageModel(f"http://user:pass%20word@{host}?api_key=very-secret", KEY)
    endpoint.always(401, {"error": {"message": "pass%20word, very-secret, user:pass word"}})

    with pytest.raises(LanguageModelError) as caught:
        await ask(model)

    (received,) = endpoint.received
    assert received.path == "/v1/chat/completions?api_key=very-secret"
    assert received.headers["Authorization"] == "Basic dXNlcjpwYXNzIHdvcmQ="
    assert f"big-1 at http://***@{host}?api_key=***: " in str(caught.value)
    for shown in (str(caught.value), repr(model)):
        assert "secret" not in shown
        assert "pass" not in shown


@pytest.mark.parametrize("url", ["http://user:word@", "http://user:word@h:port/", "user:word@h/v1"])
def test_a_url_that_cannot_be_used_is_refused_without_its_credentials(url):
    with pytest.raises(ValueError, match="is not an endpoint") as caught:
        OpenAILanguageModel(url)
    assert "word" not in str(caught.value)


async def test_headers_are_sent_in_the_place_of_a_key_and_not_shown(endpoint):
    secret = "the-azure-key-of-mine"  # noqa: S105  it opens nothing
    endpoint.always(401, {"error": {"message": f"not {secret}"}})
    model = OpenAILanguageModel(f"{endpoint.url}?api-version=1", headers={"api-key": f"{secret}\n"})

    error = await failure(model)

    (received,) = endpoint.received
    assert received.path == "/v1/chat/completions?api-version=1"
    assert received.headers["api-key"] == secret
    assert "Authorization" not in received.headers
    assert secret not in f"{error}{model!r}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_and_names_the_setting(endpoint, model, status):
    endpoint.always(status, {}, Location="/api/v1/chat/completions")

    error = await failure(attrs.evolve(model, url_setting="ACME_URL"))

    root = endpoint.url.removesuffix("/v1")
    assert f"it redirects to {root}/api/v1/chat/completions (status {status})" in str(error)
    assert str(error).endswith(f"set ACME_URL to {root}/api/v1")
    assert (error.retryable, error.of_endpoint, error.may_be_billed) == (False, True, False)
    assert len(endpoint.received) == 1


async def test_a_url_without_a_version_is_what_a_404_is_about(endpoint):
    endpoint.always(404, b"404 page not found")
    root = endpoint.url.removesuffix("/v1")

    without = await failure(OpenAILanguageModel(root, KEY, url_setting="ACME_URL"))
    with_it = await failure(OpenAILanguageModel(endpoint.url, KEY, url_setting="ACME_URL"))

    assert str(without).endswith(f"set ACME_URL to {endpoint.url}, or check the model's name")
    assert "the URL in ACME_URL, which often ends in /v1" in str(with_it)


async def test_an_endpoint_steers_no_terminal(endpoint, model):
    endpoint.always(500, {"error": {"message": "\x1b]52;c;eA==\x07\u202eoops\r\n\x9b2J"}})
    assert "\\x1b]52;c;eA==\\x07\\u202eoops \\x9b2J; " in str(await failure(model))


async def test_a_key_loses_the_newline_that_its_file_ended_with(endpoint):
    await ask(OpenAILanguageModel(endpoint.url, f" {KEY}\n"))
    assert endpoint.received[0].headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("key", ["sk-se\ncret", "sk-secret\u2019"])
def test_a_key_that_no_header_takes_is_refused_without_showing_it(key):
    with pytest.raises(ValueError, match="api_key contains characters") as caught:
        OpenAILanguageModel(api_key=key)
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize("key", [None, "", "\n"])
async def test_a_key_in_the_environment_reaches_no_endpoint_by_itself(endpoint, monkeypatch, key):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    endpoint.always(401, {"error": {"message": "Who are you?"}})
    error = await failure(OpenAILanguageModel(endpoint.url, key))
    assert KEY not in str(endpoint.received[0].headers)
    assert "check the key in the environment variable OPENAI_API_KEY" in str(error)


def test_asks_openai_where_no_other_endpoint_is_named(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere.invalid/v1")
    assert OpenAILanguageModel().base_url == "https://api.openai.com/v1"
    assert OpenAILanguageModel("").base_url == "https://api.openai.com/v1"


async def test_a_url_that_was_read_from_a_file_may_end_in_a_newline(endpoint):
    await ask(OpenAILanguageModel(f"{endpoint.url}\r\n", KEY))
    assert len(endpoint.received) == 1

    with pytest.raises(ValueError, match="is not an endpoint"):
        OpenAILanguageModel("http://127.0.0.1:9/\nv1")


async def test_obeys_the_proxy_of_the_environment_unless_told_otherwise(endpoint, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert "no connection" in str(await failure(OpenAILanguageModel(endpoint.url, KEY)))
    await ask(OpenAILanguageModel(endpoint.url, KEY, environment_proxies=False))
    assert len(endpoint.received) == 1


async def test_errors_survive_pickling(endpoint, model):
    """Dagster sends them from one process to another."""
    endpoint.always(429, {"error": {"message": "Slow down."}}, Retry_After="7")
    error = await failure(model)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(copy) is LanguageModelError
    assert str(copy) == str(error) == error.message
    assert (copy.status, copy.retryable, copy.retry_after_seconds) == (429, True, 7.0)


def test_importing_the_adapter_does_not_import_the_http_client():
    """It costs a fifth of a second, which commands that ask no model should not take."""
    code = "import sys, adapters.language_model.openai; sys.exit('aiohttp' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
