"""Runs whose endpoint takes no calls for a while: it loads, limits a rate, or is not there."""

import math
import threading
import time

import pytest

from bucket_server import free_port
from calls import PATIENCE, wait_for_line
from endpoint import ChatEndpoint, Endpoint, serving


@pytest.fixture(autouse=True)
def _planned(planned):
    """Begin each test with a planned cohort."""


def set_patience(data_root, chat_endpoint, seconds):
    (data_root / "1_raw/endpoints.csv").write_text(
        f"id,base_url,patience_seconds\nacme,{chat_endpoint.base_url},{seconds}\n"
    )


@pytest.mark.parametrize(("status", "kind"), [(503, "loading"), (529, "overloaded_error")])
def test_an_endpoint_that_refuses_calls_for_seconds_is_asked_a_few_times(
    daydream, chat_endpoint, status, kind
):
    answer = chat_endpoint.answer
    ready = time.monotonic() + 5
    refused = []

    def load(prompt):
        if time.monotonic() < ready:
            refused.append(prompt)
            return status, {"error": {"type": kind, "message": "the model is loading"}}
        return answer(prompt)

    chat_endpoint.answer = load

    ran = daydream("run", "c1")

    assert ran.returncode == 0, ran.stderr
    assert len(chat_endpoint.bodies) == 18 + len(refused)
    assert len(refused) <= 3 + 4  # each draft at once, and then probes after 1, 2 and 4 s


def test_a_window_of_calls_whose_end_is_in_a_header_of_its_own_is_kept(daydream, data_root):
    """Nothing but `x-ratelimit-reset-requests` says when the next window begins."""
    chat = ChatEndpoint(lambda prompt: "SCORE: 6" if prompt.startswith("Judge") else "Re.")
    window = {"end": math.inf, "left": 6}
    lock = threading.Lock()
    refused = []

    def limit(handler):
        with lock:
            now = time.monotonic()
            if now > window["end"]:
                window.update(end=math.inf, left=6)
            window["left"] -= 1
            if window["left"] >= 0:
                handler.reply(*chat.respond(handler))
                return
            # However slow the calls come, a window ends only after it has refused one.
            window["end"] = min(window["end"], now + 3)
            refused.append(handler)
            reset = f"{(window['end'] - now) * 1000:.0f}ms"
            handler.reply(429, {}, x_ratelimit_reset_requests=reset)

    with serving(Endpoint(limit)) as endpoint:
        ran = daydream("run", "c1", OPENAI_BASE_URL=endpoint.url)

    assert ran.returncode == 0, ran.stderr
    assert len(chat.bodies) == 18
    assert len(refused) <= 12
    assert "waiting for big-1 until " in ran.stderr
    assert ": rate limit" in ran.stderr


def test_an_endpoint_that_stays_down_is_given_up_after_its_patience(
    daydream, data_root, chat_endpoint
):
    set_patience(data_root, chat_endpoint, 1.5)
    chat_endpoint.answer = lambda _prompt: (503, {"error": {"message": "maintenance"}})

    ran = daydream("run", "c1")

    assert ran.returncode == 1
    assert len(chat_endpoint.bodies) <= 3 + 3
    assert "refused with status 503: maintenance" in ran.stderr
    assert "21 generations not done" in ran.stderr


def test_the_patience_with_the_endpoint_of_the_environment_is_a_variable(daydream, chat_endpoint):
    chat_endpoint.answer = lambda _prompt: (503, {"error": {"message": "maintenance"}})

    ran = daydream("run", "c1", DAYDREAM_PATIENCE_SECONDS="1.5")

    assert ran.returncode == 1
    assert len(chat_endpoint.bodies) <= 3 + 3
    asked = len(chat_endpoint.bodies)
    for value in ("soon", "-1", "inf"):
        ran = daydream("run", "c1", DAYDREAM_PATIENCE_SECONDS=value)
        assert ran.returncode == 2
        assert f"DAYDREAM_PATIENCE_SECONDS is '{value}'; set it to seconds" in ran.stderr
    assert len(chat_endpoint.bodies) == asked


def test_an_endpoint_that_is_not_there_yet_is_waited_for(start, chat_endpoint):
    def answer(handler):
        handler.reply(*chat_endpoint.respond(handler))

    port = free_port()
    process = start("run", "c1", OPENAI_BASE_URL=f"http://127.0.0.1:{port}/v1")
    assert ": no connection" in wait_for_line(process, "waiting for big-1")

    with serving(Endpoint(answer, port)):
        _, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 0, err
    assert len(chat_endpoint.bodies) == 18


def test_ctrl_c_ends_a_wait(start, chat_endpoint, daydream):
    chat_endpoint.answer = lambda _prompt: (503, {"error": {"message": "maintenance"}})
    process = start("run", "c1")
    wait_for_line(process, "waiting for big-1")

    process.terminate()
    _, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 1
    assert "stopped: interrupted by SIGTERM" in err
    assert "21 generations not done" in err
