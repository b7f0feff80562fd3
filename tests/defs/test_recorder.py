"""The process that records a run of the command in Dagster."""

import os
import signal
import subprocess
import sys
import time

import dagster as dg
import pytest

from calls import hold_calls, slow, wait_for_calls
from daydreaming_dagster.defs.launch import open_instance


@pytest.fixture
def running(start, daydream, chat_endpoint):
    """A run whose essays wait, and its recorder, which has begun to record."""
    assert daydream("plan", "c1").returncode == 0
    slow(chat_endpoint, 5, "Link")
    process = start("run", "c1")
    wait_for_calls(chat_endpoint, 1)
    while not (recorder := recorder_of(process)):
        assert process.poll() is None
        time.sleep(0.05)
    return process, recorder


def recorder_of(process):
    """Return the id of the process that records for this one, None if there is none."""
    command = ["ps", "-o", "pid=,args=", "--ppid", str(process.pid)]
    lines = subprocess.run(command, check=False, capture_output=True, text=True).stdout.splitlines()
    return next((int(line.split()[0]) for line in lines if "defs.recorder" in line), None)


def wait_for_run(data_root, process):
    while runs(data_root) != [dg.DagsterRunStatus.STARTED]:
        assert process.poll() is None
        time.sleep(0.05)


def runs(data_root):
    with open_instance(data_root / "dagster_home") as instance:
        return [run.status for run in instance.get_runs()]


def recorded(data_root, asset):
    with open_instance(data_root / "dagster_home") as instance:
        return instance.get_materialized_partitions(dg.AssetKey(asset))


@pytest.mark.parametrize("begun", [False, True])
def test_a_run_goes_on_if_its_recorder_is_killed_and_the_next_one_records_it(
    running, daydream, data_root, members, begun
):
    process, recorder = running
    if begun:
        wait_for_run(data_root, process)
    os.kill(recorder, signal.SIGKILL)
    _, err = process.communicate(timeout=120)

    assert process.returncode == 1
    assert "the process that records the run in Dagster was killed by signal 9" in err
    assert len([*data_root.glob("gens/evaluation/*/parsed.txt")]) == len(members["evaluation"])

    ran = daydream("run", "c1")
    assert ran.returncode == 0, ran.stderr
    assert "no model call to make" in ran.stderr
    assert recorded(data_root, "evaluation_parsed") == set(members["evaluation"])
    canceled = [dg.DagsterRunStatus.CANCELED] if begun else []
    assert runs(data_root) == [dg.DagsterRunStatus.SUCCESS, *canceled]


def test_it_is_said_at_once_and_once_that_a_run_is_not_recorded(start, daydream, chat_endpoint):
    assert daydream("plan", "c1").returncode == 0
    answer = chat_endpoint.answer
    asked, answered = hold_calls(chat_endpoint, 3)
    process = start("run", "c1")
    asked.wait()
    while not (recorder := recorder_of(process)):
        time.sleep(0.05)
    os.kill(recorder, signal.SIGKILL)
    said = next(line for line in process.stderr if "was killed by signal 9" in line)

    assert said.startswith("error: the process that records the run in Dagster")
    # It goes on: no call is answered yet.
    assert process.poll() is None
    chat_endpoint.answer = answer
    answered.set()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "records the run" not in err
    assert len(chat_endpoint.bodies) == 18


def test_the_recorder_ends_if_the_command_is_killed(running):
    process, recorder = running
    process.kill()
    process.communicate(timeout=60)  # the recorder holds the other end of stderr until it ends
    state = ["ps", "-o", "stat=", "-p", str(recorder)]
    found = subprocess.run(state, check=False, capture_output=True, text=True).stdout
    assert not found or found.startswith("Z")  # where nobody waits for it, it stays as a zombie


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_recorder_leaves_signals_to_the_command(running, data_root, members, number):
    process, recorder = running
    wait_for_run(data_root, process)
    os.kill(recorder, number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert recorded(data_root, "evaluation_parsed") == set(members["evaluation"])


def test_a_run_goes_on_if_its_recorder_cannot_be_started(daydream, data_root, members, monkeypatch):
    assert daydream("plan", "c1").returncode == 0
    monkeypatch.setattr(sys, "executable", str(data_root / "nothing"))
    ran = daydream("run", "c1")
    assert ran.returncode == 1
    assert "cannot be started: No such file or directory" in ran.stderr
    assert len([*data_root.glob("gens/evaluation/*/parsed.txt")]) == len(members["evaluation"])


def test_a_run_goes_on_if_dagster_cannot_be_opened(daydream, data_root, members):
    assert daydream("plan", "c1").returncode == 0
    home = data_root / "dagster_home"
    home.mkdir()
    (home / "dagster.yaml").write_text("storage: nonsense\n", "utf-8")
    ran = daydream("run", "c1")
    assert ran.returncode == 1
    assert "error: Dagster's database failed" in ran.stderr
    assert "correct dagster.yaml" in ran.stderr
    assert len([*data_root.glob("gens/evaluation/*/parsed.txt")]) == len(members["evaluation"])
