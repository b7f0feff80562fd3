"""Runs that end early: signals, kills, and processes that run at once."""

import json
import signal
import sys
import time

import pytest

from adapters import FilesystemGensStore
from calls import PATIENCE, hold, slow, wait_for_calls, wait_for_line
from command import DAYDREAM

INTERRUPTED = "interrupted: waiting for the answers in flight"
"""What the command says when it has got the first signal."""


@pytest.mark.usefixtures("planned")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_keeps_what_is_under_way_and_says_what_is_left(
    start, daydream, chat_endpoint, number
):
    answered = hold(chat_endpoint, after=3)
    process = start("run", "c1", "-j", "1")
    wait_for_calls(chat_endpoint, 4)

    process.send_signal(number)
    wait_for_line(process, INTERRUPTED)
    answered.set()
    _, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 1
    assert f"stopped: interrupted by {number.name}" in err
    assert len(chat_endpoint.bodies) == 4
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
        if event in ("import", "open", "subprocess.Popen") and str(arguments[0]).endswith(module):
            module = "no other"
            os.kill(os.getpid(), signal.SIGINT)

    sys.addaudithook(interrupt)
    main()
"""


@pytest.mark.usefixtures("planned")
@pytest.mark.parametrize("module", ["unicodedata", "click", "cattrs", "yaml"])
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
    _, err = process.communicate(timeout=PATIENCE)

    assert (process.returncode, err) == (130, "interrupted\n")


@pytest.mark.usefixtures("planned")
def test_ctrl_c_before_the_first_call_leaves_all_to_the_next_run(daydream_process, chat_endpoint):
    command = [sys.executable, "-c", LOADING, "run.lock"]

    ran = daydream_process("run", "c1", command=command)

    assert ran.returncode == 1
    assert "stopped: interrupted by SIGINT" in ran.stderr
    assert "21 generations not done" in ran.stderr
    assert chat_endpoint.bodies == []


@pytest.mark.usefixtures("planned")
def test_ctrl_c_while_the_recorder_starts_keeps_the_answers_in_flight(
    daydream_process, daydream, chat_endpoint
):
    command = [sys.executable, "-c", LOADING, sys.executable]

    ran = daydream_process("run", "c1", command=command)

    assert ran.returncode == 1
    assert "stopped: interrupted by SIGINT" in ran.stderr
    assert len(chat_endpoint.bodies) <= 3
    assert daydream("run", "c1").returncode == 0
    assert len(chat_endpoint.bodies) == 18  # not one of them twice


@pytest.mark.usefixtures("planned")
def test_a_run_in_the_background_of_a_script_is_ended_by_sigterm_and_not_by_ctrl_c(
    start, chat_endpoint
):
    first, second = hold(chat_endpoint), hold(chat_endpoint, after=1)
    background = ["bash", "-c", """trap '' INT; exec "$@" """, "bash", *DAYDREAM]
    process = start("run", "c1", "-j", "1", command=background)
    wait_for_calls(chat_endpoint, 1)

    process.send_signal(signal.SIGINT)
    first.set()
    wait_for_calls(chat_endpoint, 2)
    process.send_signal(signal.SIGTERM)
    said = wait_for_line(process, "interrupted")
    second.set()
    _, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 1
    assert INTERRUPTED in said
    assert "stopped: interrupted by SIGTERM" in err


@pytest.mark.usefixtures("planned")
def test_a_second_signal_does_not_wait(start, chat_endpoint):
    answered = hold(chat_endpoint)
    process = start("run", "c1", "-j", "1")
    wait_for_calls(chat_endpoint, 1)

    process.send_signal(signal.SIGTERM)
    wait_for_line(process, INTERRUPTED)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=PATIENCE / 2) == 128 + signal.SIGTERM
    answered.set()


@pytest.mark.usefixtures("planned")
def test_a_signal_ends_the_call_that_waits_for_the_limit_and_keeps_those_in_flight(
    start, chat_endpoint, data_root
):
    answered = hold(chat_endpoint)
    process = start("run", "c1", "--max-calls", "2")
    wait_for_calls(chat_endpoint, 2)
    time.sleep(0.5)  # the third question waits: one of the two may cost nothing

    process.send_signal(signal.SIGTERM)
    wait_for_line(process, INTERRUPTED)
    answered.set()
    _, err = process.communicate(timeout=PATIENCE)

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
    answered = hold(chat_endpoint)
    process = start("run", "c1", "-j", "1")
    wait_for_calls(chat_endpoint, 1)

    second = daydream("run", "c1")

    assert second.returncode == 2
    assert "another process runs the cohort 'c1'" in second.stderr
    answered.set()
    process.communicate(timeout=PATIENCE)
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


@pytest.mark.usefixtures("cohorts_that_share_drafts")
def test_two_cohorts_that_share_drafts_ask_for_each_once(start, chat_endpoint, data_root):
    free = hold(chat_endpoint, "Link")
    processes = [start("run", cohort_id) for cohort_id in ("c1", "c2")]
    for process in processes:
        wait_for_line(process, "model calls to make")
    wait_for_calls(chat_endpoint, 3)
    time.sleep(1.5)  # both have looked at all drafts, and one of them a second time
    assert len(chat_endpoint.bodies) == 3
    free.set()

    errors = [process.communicate(timeout=PATIENCE)[1] for process in processes]

    assert [process.returncode for process in processes] == [0, 0], errors
    answers = (data_root / "gens").glob("*/*/raw_metadata.json")
    modes = [json.loads(answer.read_text())["mode"] for answer in answers]
    assert len(chat_endpoint.bodies) == modes.count("llm") == 3 + 3 + 15
    assert not list((data_root / "gens").glob("*/.claimed-*"))


@pytest.mark.usefixtures("cohorts_that_share_drafts")
def test_a_run_takes_over_what_another_was_at_when_it_was_killed(start, chat_endpoint, data_root):
    free = hold(chat_endpoint, "Link")
    killed = start("run", "c1")
    wait_for_calls(chat_endpoint, 3)
    waiting = start("run", "c2")
    wait_for_line(waiting, "model calls to make")
    time.sleep(0.5)
    assert len(chat_endpoint.bodies) == 3
    killed.send_signal(signal.SIGKILL)
    wait_for_calls(chat_endpoint, 6)
    free.set()

    _, err = waiting.communicate(timeout=PATIENCE)

    assert waiting.returncode == 0, err
    assert len(chat_endpoint.bodies) == 3 + 3 + 3 + 9
    assert not list((data_root / "gens").glob("*/.claimed-*"))
