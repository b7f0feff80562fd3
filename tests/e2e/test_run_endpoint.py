"""Runs against a real endpoint that fails, refuses, and answers in unusual shapes."""

import json
import re

import pytest


@pytest.mark.usefixtures("planned")
def test_an_endpoint_without_a_key_is_asked_for_no_more_than_it_takes_to_see_it(
    daydream, chat_endpoint
):
    chat_endpoint.answer = lambda _prompt: (401, {"error": {"message": "who are you?"}})

    ran = daydream("run", "c1", OPENAI_API_KEY="")

    assert ran.returncode == 1
    assert len(chat_endpoint.bodies) == 3  # once a draft, and none of their descendants
    assert re.search(
        r"3 drafts: .* check the key in the environment variable OPENAI_API_KEY", ran.stderr
    )


@pytest.mark.usefixtures("planned")
def test_errors_that_pass_are_waited_for_and_no_answer_is_paid_twice(daydream, chat_endpoint):
    answer = chat_endpoint.answer
    failing = iter([429, 500, 503, 429, 500])
    answered = []

    def fail_at_first(prompt):
        status = next(failing, None)
        if status is not None:
            return status, {"error": {"message": "busy"}}
        answered.append(prompt)
        return answer(prompt)

    chat_endpoint.answer = fail_at_first

    ran = daydream("run", "c1")

    assert ran.returncode == 0, ran.stderr
    assert len(chat_endpoint.bodies) == 18 + 5
    assert len(answered) == 18


@pytest.mark.usefixtures("planned")
def test_a_connection_that_is_lost_is_a_call_that_may_be_billed(daydream, chat_endpoint):
    answer = chat_endpoint.answer
    lost = iter([True, True])

    def lose_two(prompt):
        if next(lost, False):
            raise ConnectionAbortedError("the handler ends, and its connection with it")
        return answer(prompt)

    chat_endpoint.answer = lose_two

    stopped = daydream("run", "c1", "--max-calls", "3")
    assert "stopped: the limit of 3 model calls is reached" in stopped.stderr
    assert "3 calls, 12 tokens" in stopped.stderr
    assert len(chat_endpoint.bodies) == 3

    assert daydream("run", "c1").returncode == 0
    assert len(chat_endpoint.bodies) == 18 + 2


@pytest.mark.usefixtures("planned")
def test_what_is_no_completion_is_a_failure_of_its_generation_and_no_text(
    daydream, chat_endpoint, data_root
):
    answer = chat_endpoint.answer
    chat_endpoint.answer = lambda prompt: (
        (200, {"choices": []}) if "Ants" in prompt else answer(prompt)
    )

    ran = daydream("run", "c1")

    assert ran.returncode == 1
    assert re.search(r"2 drafts: .*the answer has no choices", ran.stderr)
    assert not list((data_root / "gens/draft").glob("*/raw.txt"))[1:]


@pytest.mark.usefixtures("planned")
def test_a_limit_of_calls_stops_the_run_cleanly(daydream, chat_endpoint):
    stopped = daydream("run", "c1", "--max-calls", "5")

    assert stopped.returncode == 1
    assert len(chat_endpoint.bodies) == 5
    assert "18 model calls to make" in stopped.stderr
    assert "stopped: the limit of 5 model calls is reached" in stopped.stderr

    assert daydream("run", "c1").returncode == 0
    assert len(chat_endpoint.bodies) == 18


@pytest.mark.usefixtures("planned")
def test_a_limit_of_cost_stops_the_run_before_it_is_passed(daydream, chat_endpoint, data_root):
    refused = daydream("run", "c1", "--max-cost", "1")
    assert refused.returncode == 2
    assert "a limit of cost needs a price for big" in refused.stderr
    assert chat_endpoint.bodies == []

    catalog = data_root / "1_raw/llm_models.csv"
    catalog.write_text("id,model,provider,prompt_price,completion_price\nbig,big-1,acme,0,100000\n")
    spec = data_root / "cohorts/c1/spec/config.yaml"
    tokens = "{max_tokens: 10}"
    spec.write_text(
        f"{spec.read_text()}sampling: {{draft: {tokens}, essay: {tokens}, evaluation: {tokens}}}\n"
    )
    daydream("plan", "c1")
    # Each answer may have 10 tokens, a dollar, and has 5.
    stopped = daydream("run", "c1", "--max-cost", "5")

    assert stopped.returncode == 1
    assert "the limit of 5 USD is reached: 4.50 spent" in stopped.stderr
    assert len(chat_endpoint.bodies) == 9


SHAPES = [
    {"message": {"content": None, "reasoning_content": "Bees and ants, hm."}},
    {"message": {"content": 7}},
    {"message": {"content": "Half a dr"}, "finish_reason": "content_filter"},
]


@pytest.mark.usefixtures("planned")
def test_an_answer_that_cannot_be_read_is_kept_and_bought_again_on_request_alone(
    daydream, chat_endpoint, data_root
):
    shapes = iter(SHAPES)
    chat_endpoint.answer = lambda _prompt: (200, {"choices": [next(shapes)]})

    failed = daydream("run", "c1")
    assert failed.returncode == 1
    assert "the answer could not be read: it holds reasoning and no text" in failed.stderr
    assert "the answer could not be read: its content is not a text" in failed.stderr
    assert "a filter of the endpoint ended it (finish_reason 'content_filter')" in failed.stderr
    assert len(chat_endpoint.bodies) == 3
    kept = [path.read_text() for path in data_root.glob("gens/draft/*/raw_metadata.json")]
    assert any("Bees and ants, hm." in document for document in kept)

    assert daydream("run", "c1").returncode == 1
    assert len(chat_endpoint.bodies) == 3

    chat_endpoint.answer = lambda prompt: f"Re: {prompt}"
    draft = next(data_root.glob("gens/draft/*")).name
    daydream("run", "c1", "--force", draft, "--max-calls", "1")
    assert len(chat_endpoint.bodies) == 4


@pytest.mark.usefixtures("planned")
def test_a_finish_reason_whose_meaning_is_unknown_is_shown_and_stops_nothing(
    daydream, chat_endpoint, data_root
):
    answer = chat_endpoint.answer

    def end_otherwise(prompt):
        message = {"message": {"content": answer(prompt)}, "finish_reason": "moonrise"}
        return 200, {"choices": [message]}

    chat_endpoint.answer = end_otherwise
    assert daydream("run", "c1").returncode == 0

    assert "3 drafts ended with finish_reason 'moonrise'" in daydream("status", "c1").stderr
    status = json.loads(daydream("status", "c1", "--json").stdout)
    assert set(status["draft"]["unknown_finish"].values()) == {"moonrise"}
    checked = daydream("check")
    assert checked.returncode == 1
    assert checked.stdout.count("unknown finish: ") == len(chat_endpoint.bodies) == 18
    assert daydream("results", "c1").returncode == 0
    table = next((data_root / "cohorts/c1/reports").rglob("evaluations.csv")).read_text()
    assert table.count("moonrise") == 12 + 12 + 6  # its own, its draft's, its essay's if not copied


@pytest.mark.usefixtures("planned")
def test_credentials_of_the_endpoint_are_sent_and_kept_nowhere(
    daydream, environment, chat_endpoint, data_root
):
    key, password, token = "sk-a-key-of-mine", "the-word-of-mine", "the-token-of-mine"
    host = chat_endpoint.base_url.removeprefix("http://")
    environment["OPENAI_BASE_URL"] = f"http://me:{password}@{host}?token={token}"
    environment["OPENAI_API_KEY"] = key
    chat_endpoint.answer = lambda _prompt: (
        401,
        {"error": {"message": f"\x1b[2J{password[:12]}… {token} {key[:10]}…"}},
    )

    failed = daydream("run", "c1")

    assert "refused with status 401: \\x1b[2J***… *** ***…" in failed.stderr
    kept = [path.read_bytes() for path in data_root.rglob("*") if path.is_file()]
    shown = [failed.stdout.encode(), failed.stderr.encode(), *kept]
    for secret in (key, password, token):
        assert not any(secret[:10].encode() in content for content in shown)
