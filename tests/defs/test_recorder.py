"""The process that records a run of the command in Dagster."""

import os
import signal
import subprocess
import sys
import time

import dagster as dg
import pytest

from calls import PATIENCE, hold, hold_calls, wait_for_line
from daydreaming_dagster.defs.launch import open_instance


@pytest.fixture
def running(start, daydream, chat_endpoint):
    """A run, its recorder, and what lets the endpoint answer the first calls."""
    assert daydream("plan", "c1").returncode == 0
    answered = hold(chat_endpoint)
    process = start("run", "c1")
    return process, wait_for_recorder(process), answered


def wait_for_recorder(process):
    """Return the id of the process that records for this one."""
    command = ["ps", "-o", "pid=,args=", "--ppid", str(process.pid)]
    while True:
        found = subprocess.run(command, check=False, capture_output=True, text=True).stdout
        for line in found.splitlines():
            if "defs.recorder" in line:
                return int(line.split()[0])
        assert process.poll() is None
        time.sleep(0.05)


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
    process, recorder, answered = running
    if begun:
        wait_for_run(data_root, process)
    os.kill(recorder, signal.SIGKILL)
    answered.set()
    _, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 1
    assert "the process that records the run in Dagster was killed by signal 9" in err
    assert len([*data_root.glob("gens/evaluation/*/parsed.txt")]) == len(members["evaluation"])

    # On a busy machine, a recorder may have begun before it is killed as soon as it is there.
    left = runs(data_root)
    assert len(left) == 1 if begun else len(left) <= 1

    ran = daydream("run", "c1")
    assert ran.returncode == 0, ran.stderr
    assert "no model call to make" in ran.stderr
    assert recorded(data_root, "evaluation_parsed") == set(members["evaluation"])
    canceled = [dg.DagsterRunStatus.CANCELED] * len(left)
    assert runs(data_root) == [dg.DagsterRunStatus.SUCCESS, *canceled]


def test_it_is_said_at_once_and_once_that_a_run_is_not_recorded(start, daydream, chat_endpoint):
    assert daydream("plan", "c1").returncode == 0
    answer = chat_endpoint.answer
    asked, answered = hold_calls(chat_endpoint, 3)
    process = start("run", "c1")
    asked.wait()
    os.kill(wait_for_recorder(process), signal.SIGKILL)
    said = wait_for_line(process, "was killed by signal 9")

    assert said.startswith("error: the process that records the run in Dagster")
    # It goes on: no call is answered yet.
    assert process.poll() is None
    chat_endpoint.answer = answer
    answered.set()
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "records the run" not in err
    assert len(chat_endpoint.bodies) == 18


def test_the_recorder_ends_if_the_command_is_killed(running):
    process, recorder, answered = running
    process.kill()
    answered.set()
    process.communicate(timeout=PATIENCE)  # the recorder holds stderr open until it ends
    state = ["ps", "-o", "stat=", "-p", str(recorder)]
    end = time.monotonic() + PATIENCE
    while True:
        found = subprocess.run(state, check=False, capture_output=True, text=True).stdout
        if not found or found.startswith("Z"):  # where nobody waits for it, it stays as a zombie
            break
        assert time.monotonic() < end, found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_recorder_leaves_signals_to_the_command(running, data_root, members, number):
    process, recorder, answered = running
    wait_for_run(data_root, process)
    os.kill(recorder, number)
    answered.set()
    _, err = process.communicate(timeout=PATIENCE)
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
