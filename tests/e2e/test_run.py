"""Runs of a cohort against a real endpoint that fails, and processes that end early."""

import json
import re
import shutil
import signal
import sys
import threading
import time
from collections import Counter

import pytest

from adapters import FilesystemGensStore
from command import DAYDREAM


@pytest.fixture
def planned(daydream):
    assert daydream("plan", "c1").returncode == 0


def prompts(chat_endpoint):
    return [body["messages"][0]["content"] for body in chat_endpoint.bodies]


def wait_for_calls(chat_endpoint, count):
    deadline = time.monotonic() + 60
    while len(chat_endpoint.bodies) < count:
        assert time.monotonic() < deadline, "the calls never came"
        time.sleep(0.02)


def slow(chat_endpoint, seconds, prefix):
    """Let the endpoint take its time with the prompts that begin like this."""
    answer = chat_endpoint.answer

    def wait(prompt):
        if prompt.startswith(prefix):
            time.sleep(seconds)
        return answer(prompt)

    chat_endpoint.answer = wait


@pytest.mark.usefixtures("planned")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_keeps_what_is_under_way_and_says_what_is_left(
    start, daydream, chat_endpoint, number
):
    slow(chat_endpoint, 1.5, "Tell")
    process = start("run", "c1", "-j", "1")
    wait_for_calls(chat_endpoint, 4)

    process.send_signal(number)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 1
    assert f"stopped: interrupted by {number.name}" in err
    asked = len(chat_endpoint.bodies)
    assert asked < 18
    status = json.loads(daydream("status", "c1", "--json").stdout)
    answered = sum(state["done"] for state in status.values())
    left = sum(len(state["missing"]) + len(state["unparsed"]) for state in status.values())
    assert left == 21 - answered
    assert f"{left} generations not done" in err
    assert daydream("run", "c1").returncode == 0
    assert len(chat_endpoint.bodies) == 18  # not one of them twice


LOADING = """if True:
    import os, signal, sys
    from daydreaming_dagster.__main__ import main

    module = sys.argv.pop(1)

    def interrupt(event, arguments):
        global module
        if event in ("import", "sqlite3.connect") and str(arguments[0]).endswith(module):
            module = "no other"
            os.kill(os.getpid(), signal.SIGINT)

    sys.addaudithook(interrupt)
    main()
"""


@pytest.mark.usefixtures("planned")
@pytest.mark.parametrize("module", ["unicodedata", "typer", "dagster", "filelock", "tenacity"])
def test_ctrl_c_while_a_run_is_being_loaded_ends_it_with_a_line(daydream_process, module):
    # Imports make other errors of a KeyboardInterrupt, or none: unicodedata is needed to compile.
    command = [sys.executable, "-c", LOADING, module]

    ran = daydream_process("run", "c1", command=command)

    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "interrupted\n")


@pytest.mark.usefixtures("planned")
def test_ctrl_c_in_a_command_that_runs_nothing_ends_it_with_a_line(start):
    process = start("tail", "c1")
    assert process.stdout.readline().startswith("cohort c1: 0 of 3 drafts")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)

    assert (process.returncode, err) == (130, "interrupted\n")


@pytest.mark.usefixtures("planned")
def test_ctrl_c_before_the_first_call_leaves_all_to_the_next_run(daydream_process, chat_endpoint):
    command = [sys.executable, "-c", LOADING, "schedules.db"]

    ran = daydream_process("run", "c1", command=command)

    assert ran.returncode == 1
    assert "stopped: interrupted by SIGINT" in ran.stderr
    assert "21 generations not done" in ran.stderr
    assert chat_endpoint.bodies == []


@pytest.mark.usefixtures("planned")
def test_a_run_in_the_background_of_a_script_is_ended_by_sigterm_and_not_by_ctrl_c(
    start, chat_endpoint
):
    slow(chat_endpoint, 1, "Link")
    background = ["bash", "-c", """trap '' INT; exec "$@" """, "bash", *DAYDREAM]
    process = start("run", "c1", "-j", "1", command=background)
    wait_for_calls(chat_endpoint, 1)

    process.send_signal(signal.SIGINT)
    wait_for_calls(chat_endpoint, 2)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "stopped: interrupted by SIGTERM" in err


@pytest.mark.usefixtures("planned")
def test_a_second_signal_does_not_wait(start, chat_endpoint):
    slow(chat_endpoint, 20, "Link")
    process = start("run", "c1", "-j", "1")
    wait_for_calls(chat_endpoint, 1)

    process.send_signal(signal.SIGTERM)
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=10) == 128 + signal.SIGTERM


@pytest.mark.usefixtures("planned")
def test_a_signal_ends_the_call_that_waits_for_the_limit_and_keeps_those_in_flight(
    start, chat_endpoint, data_root
):
    slow(chat_endpoint, 3, "Link")
    process = start("run", "c1", "--max-calls", "2")
    wait_for_calls(chat_endpoint, 2)
    time.sleep(0.5)  # the third question waits: one of the two may cost nothing

    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "stopped: interrupted by SIGTERM" in err
    assert len(list((data_root / "gens/draft").glob("*/raw.txt"))) == 2


@pytest.mark.usefixtures("planned")
def test_a_process_that_is_killed_loses_the_answers_under_way_alone(
    start, daydream, chat_endpoint, data_root
):
    slow(chat_endpoint, 0.3, "Tell")
    process = start("run", "c1", "-j", "1")
    wait_for_calls(chat_endpoint, 5)
    process.send_signal(signal.SIGKILL)
    process.wait()

    assert daydream("run", "c1").returncode == 0

    assert len(chat_endpoint.bodies) <= 18 + 1  # the one being asked, or being stored
    store = FilesystemGensStore(data_root)
    assert len(store.list_generations("evaluation")) == 12


@pytest.mark.usefixtures("planned")
def test_a_cohort_is_run_by_one_process_at_a_time(start, daydream, chat_endpoint):
    slow(chat_endpoint, 1, "Tell")
    process = start("run", "c1", "-j", "1")
    wait_for_calls(chat_endpoint, 1)

    second = daydream("run", "c1")

    assert second.returncode == 2
    assert "another process runs the cohort 'c1'" in second.stderr
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert len(chat_endpoint.bodies) == 18


@pytest.fixture
def cohorts_that_share_drafts(daydream, data_root):
    """c1, and c2 with the same drafts and stories, no copies and more evaluations."""
    assert daydream("plan", "c1").returncode == 0
    spec = (data_root / "cohorts/c1/spec/config.yaml").read_text()
    other = data_root / "cohorts/c2/spec/config.yaml"
    other.parent.mkdir(parents=True)
    other.write_text(spec.replace("[story, copied]", "[story]").replace("2}", "3}"))
    assert "shared with cohorts planned before: 3 drafts" in daydream("plan", "c2").stdout


def hold_drafts(chat_endpoint):
    """Let the endpoint answer what is asked for drafts when the event is set that is returned."""
    answer, free = chat_endpoint.answer, threading.Event()

    def wait(prompt):
        if prompt.startswith("Link"):
            assert free.wait(60)
        return answer(prompt)

    chat_endpoint.answer = wait
    return free


def wait_for_begin(process):
    while "model calls to make" not in process.stderr.readline():
        assert process.poll() is None


@pytest.mark.usefixtures("cohorts_that_share_drafts")
def test_two_cohorts_that_share_drafts_ask_for_each_once(start, chat_endpoint, data_root):
    free = hold_drafts(chat_endpoint)
    processes = [start("run", cohort_id) for cohort_id in ("c1", "c2")]
    for process in processes:
        wait_for_begin(process)
    wait_for_calls(chat_endpoint, 3)
    time.sleep(1.5)  # both have looked at all drafts, and one of them a second time
    assert len(chat_endpoint.bodies) == 3
    free.set()

    errors = [process.communicate(timeout=120)[1] for process in processes]

    assert [process.returncode for process in processes] == [0, 0], errors
    answers = (data_root / "gens").glob("*/*/raw_metadata.json")
    modes = [json.loads(answer.read_text())["mode"] for answer in answers]
    assert len(chat_endpoint.bodies) == modes.count("llm") == 3 + 3 + 15
    assert not list((data_root / "gens").glob("*/.claimed-*"))


@pytest.mark.usefixtures("cohorts_that_share_drafts")
def test_a_run_takes_over_what_another_was_at_when_it_was_killed(start, chat_endpoint, data_root):
    free = hold_drafts(chat_endpoint)
    killed = start("run", "c1")
    wait_for_calls(chat_endpoint, 3)
    waiting = start("run", "c2")
    wait_for_begin(waiting)
    time.sleep(0.5)
    assert len(chat_endpoint.bodies) == 3
    killed.send_signal(signal.SIGKILL)
    wait_for_calls(chat_endpoint, 6)
    free.set()

    _, err = waiting.communicate(timeout=120)

    assert waiting.returncode == 0, err
    assert len(chat_endpoint.bodies) == 3 + 3 + 3 + 9
    assert not list((data_root / "gens").glob("*/.claimed-*"))


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


@pytest.mark.usefixtures("planned")
def test_stale_answers_are_listed_and_replaced_on_request_alone(daydream, chat_endpoint, data_root):
    daydream("run", "c1")
    (data_root / "1_raw/templates/essay/story.txt").write_text("Sing of: {{ draft_block }}")
    chat_endpoint.bodies.clear()

    status = daydream("status", "c1")
    assert "stale: 3 essays: essay template 'story' was edited (" in status.stderr
    assert re.search(r"stale: 6 evaluations: .* is stale \(", status.stderr)
    kept = daydream("run", "c1")
    assert kept.returncode == 0
    assert "9 answers stale: `daydream status c1` says why, and --stale" in kept.stderr
    assert chat_endpoint.bodies == []

    stopped = daydream("run", "c1", "--stale", "--max-calls", "1")
    assert stopped.returncode == 1
    assert "8 generations not done" in stopped.stderr
    replaced = daydream("run", "c1", "--stale")
    assert replaced.returncode == 0
    assert "answers stale" not in replaced.stderr

    assert len(chat_endpoint.bodies) == 3 + 6
    after = json.loads(daydream("status", "c1", "--json").stdout)
    assert [state["stale"] for state in after.values()] == [{}, {}, {}]
    store = FilesystemGensStore(data_root)
    replaced = [
        store.read_raw_metadata("essay", gen_id).get("replaced")
        for gen_id in store.list_generations("essay")
    ]
    assert sum(answers is not None for answers in replaced) == 3


@pytest.mark.usefixtures("planned")
def test_metadata_that_cannot_be_read_fails_its_generation_and_nothing_else(
    daydream, chat_endpoint, data_root
):
    store = FilesystemGensStore(data_root)
    broken = store.list_generations("evaluation")[0]
    store.main_metadata_path("evaluation", broken).write_text("{")

    ran = daydream("run", "c1")

    assert ran.returncode == 1, ran.stderr
    assert f"evaluation/{broken}: malformed main_metadata in" in ran.stderr
    assert "no ranking: malformed main_metadata in" in ran.stderr
    assert "1 generation not done" in ran.stderr
    assert len(chat_endpoint.bodies) == 17


@pytest.mark.usefixtures("planned")
def test_chosen_generations_are_asked_again(daydream, chat_endpoint, data_root):
    daydream("run", "c1")
    store = FilesystemGensStore(data_root)
    essay = next(
        gen_id
        for gen_id in store.list_generations("essay")
        if store.read_main_metadata("essay", gen_id)["mode"] == "llm"
    )
    chat_endpoint.answer = lambda _prompt: "another text"
    chat_endpoint.bodies.clear()

    forced = daydream("run", "c1", "--force", essay)

    assert forced.returncode == 0
    assert len(chat_endpoint.bodies) == 1
    assert "2 answers stale" in forced.stderr, "the evaluations are of the essay before"

    unknown = daydream("run", "c1", "--force", "v_unknown")
    assert unknown.returncode == 2
    assert "'v_unknown' is not in the cohort" in unknown.stderr


@pytest.mark.usefixtures("planned")
def test_a_growing_cohort_sends_its_new_calls_alone(daydream, chat_endpoint, data_root):
    daydream("run", "c1")
    chat_endpoint.bodies.clear()
    spec = data_root / "cohorts/c1/spec/config.yaml"
    spec.write_text(spec.read_text().replace("evaluation: 2", "evaluation: 3"))

    daydream("plan", "c1")
    assert daydream("run", "c1").returncode == 0

    assert len(chat_endpoint.bodies) == 6


@pytest.mark.usefixtures("planned")
def test_output_that_is_no_terminal_is_not_flooded(daydream):
    ran = daydream("run", "c1")

    assert len(ran.stderr.splitlines()) < 10
    assert "\x1b" not in ran.stdout + ran.stderr


@pytest.fixture
def seen(daydream, planned, chat_endpoint, data_root):
    """The index of the cohort, which knows all that a run made."""
    assert daydream("run", "c1").returncode == 0
    time.sleep(3.5)  # a generation that changed just now is in no index
    assert daydream("run", "c1").returncode == 0
    chat_endpoint.bodies.clear()
    index = data_root / "cohorts/c1/index.json"
    done = json.loads(index.read_bytes())["done"]
    assert [len(versions) for versions in done.values()] == [3, 6, 12]
    return index


def delete_two(data_root):
    """Delete the answer of one evaluation and the parsed text of another."""
    first, second = sorted((data_root / "gens/evaluation").iterdir())[:2]
    for file in (first / "raw.txt", first / "parsed.txt", second / "parsed.txt"):
        file.unlink()
    return {first.name, second.name}


def left(status):
    return [gen_id for state in status.values() for gen_id in state["missing"] + state["unparsed"]]


def test_what_is_deleted_is_made_again_and_nothing_else(daydream, chat_endpoint, data_root, seen):
    deleted = delete_two(data_root)

    assert set(left(json.loads(daydream("status", "c1", "--json").stdout))) == deleted
    assert daydream("run", "c1").returncode == 0

    assert len(chat_endpoint.bodies) == 1  # one answer is there still
    assert left(json.loads(daydream("status", "c1", "--json").stdout)) == []


def test_the_index_of_another_data_root_says_nothing_of_a_copy(daydream, data_root, seen, tmp_path):
    """As `cp -a` copies it, times and all."""
    copy = tmp_path / "copy"
    shutil.copytree(data_root, copy, symlinks=True)
    deleted = delete_two(copy)

    assert set(left(json.loads(daydream("status", "c1", "-d", str(copy), "--json").stdout))) == (
        deleted
    )
    assert daydream("run", "c1", "-d", str(copy)).returncode == 0
    assert left(json.loads(daydream("status", "c1", "-d", str(copy), "--json").stdout)) == []


def test_an_index_that_is_damaged_is_replaced(daydream, chat_endpoint, seen):
    seen.write_text("{")

    assert daydream("status", "c1").returncode == 0
    assert seen.read_text() == "{"
    assert daydream("run", "c1").returncode == 0

    assert len(json.loads(seen.read_bytes())["done"]["evaluation"]) == 12
    assert chat_endpoint.bodies == []


@pytest.mark.usefixtures("planned")
def test_limits_that_cannot_be_kept_are_an_error_before_the_first_call(
    daydream, chat_endpoint, data_root, tmp_path
):
    (tmp_path / "state").write_text("no folder")
    assert daydream("run", "c1", "--max-calls", "1").returncode == 1  # no limits, no folder

    catalog = data_root / "1_raw/llm_models.csv"
    catalog.write_text("id,model,provider,requests_per_minute\nbig,big-1,acme,600\n")
    refused = daydream("run", "c1")

    assert refused.returncode == 2
    folder = tmp_path / "state/daydreaming_dagster/limits"
    assert f"error: the limits in llm_models.csv cannot be kept in {folder} (" in refused.stderr
    assert "set XDG_STATE_HOME" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert len(chat_endpoint.bodies) == 1


def test_replicates_are_told_apart_by_their_seeds_and_all_that_was_asked_is_recorded(
    daydream, chat_endpoint, data_root
):
    spec = data_root / "cohorts/c1/spec/config.yaml"
    sampling = "sampling: {evaluation: {temperature: 0.2, max_tokens: 50, seed: 7}}\n"
    spec.write_text(spec.read_text() + sampling)
    daydream("plan", "c1")

    assert daydream("run", "c1").returncode == 0

    sent = [body for body in chat_endpoint.bodies if "seed" in body]
    prompts = Counter(body["messages"][0]["content"] for body in sent)
    assert set(prompts.values()) == {2}
    asked = {(body["messages"][0]["content"], body["seed"]) for body in sent}
    assert asked == {(prompt, seed) for prompt in prompts for seed in (7, 8)}
    store = FilesystemGensStore(data_root)
    for gen_id in store.list_generations("evaluation"):
        metadata = store.read_raw_metadata("evaluation", gen_id)
        replicate = store.read_main_metadata("evaluation", gen_id)["replicate"]
        parameters = {"temperature": 0.2, "max_tokens": 50, "seed": 6 + replicate}
        assert metadata["parameters"] == parameters
        recorded = (metadata["provider"], metadata["model"], metadata["answered_by"])
        assert recorded == ("acme", "big-1", "big-1-0613")
        prompt = store.read_prompt("evaluation", gen_id)
        (body,) = [
            body
            for body in sent
            if (body["messages"][0]["content"], body["seed"]) == (prompt, parameters["seed"])
        ]
        assert body == {
            "model": "big-1",
            "messages": [{"role": "user", "content": prompt}],
            **parameters,
        }
