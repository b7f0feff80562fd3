"""`daydream judges --canaries` as it is used: calls, limits, a kill."""

import json

import pytest

from calls import PATIENCE, slow, wait_for_calls


@pytest.fixture
def done(daydream, chat_endpoint):
    daydream("plan", "c1")
    daydream("run", "c1")
    chat_endpoint.bodies.clear()


def test_the_calls_and_their_cost_are_said_first_and_the_lift_is_shown(
    daydream, chat_endpoint, done
):
    shown = daydream("judges", "c1", "--canaries", "3", "--json")

    assert shown.returncode == 0, shown.stderr
    (passport,) = json.loads(shown.stdout)["judges"]
    assert passport["measures"]["lift"] == {"value": 0, "low": None, "high": None, "n": 3}
    assert "3 model calls to make, about" in shown.stderr
    assert len(chat_endpoint.bodies) == 3
    assert daydream("check").returncode == 0
    assert "orders the best score" in daydream("judges", "c1").stdout
    assert len(chat_endpoint.bodies) == 3


def test_what_cannot_be_asked_is_refused_before_any_call(daydream, chat_endpoint, done):
    refused = daydream("judges", "c1", "--canaries", "101")
    assert refused.returncode == 2
    assert "101 canaries for 1 judge need 101 calls, and at most 100 are made" in refused.stderr

    for options in (("--max-calls", "3"), ("--canaries", "2", "--equate", "a", "b")):
        assert daydream("judges", "c1", *options).returncode == 2
    assert chat_endpoint.bodies == []


def test_a_limit_leaves_canaries_for_the_next_time(daydream, chat_endpoint, done):
    stopped = daydream("judges", "c1", "--canaries", "3", "--max-calls", "1")
    assert stopped.returncode == 1
    assert "canaries without an answer: 2; the same command goes on" in stopped.stderr

    assert daydream("judges", "c1", "--canaries", "3").returncode == 0
    assert len(chat_endpoint.bodies) == 3


def test_a_kill_loses_no_answer_but_those_in_flight(start, daydream, chat_endpoint, done):
    slow(chat_endpoint, 0.2, "")
    process = start("judges", "c1", "--canaries", "6", "-j", "1")
    wait_for_calls(chat_endpoint, 3)
    process.kill()
    process.communicate(timeout=PATIENCE)

    assert daydream("judges", "c1", "--canaries", "6").returncode == 0
    assert len(chat_endpoint.bodies) <= 7
    assert daydream("check").returncode == 0
