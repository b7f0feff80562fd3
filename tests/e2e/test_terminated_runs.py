"""Runs that Dagster's run launcher starts and ends, as the buttons of its pages do."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import chain

import attrs
import dagster as dg
import pytest

from bucket_server import free_port, listens
from calls import PATIENCE, hold_calls
from daydreaming_dagster.defs.launch import open_instance
from killing import children

DAGSTER = [sys.executable, "-m", "dagster"]
WITHOUT_QUEUE = """\
telemetry: {enabled: false}
run_coordinator: {module: dagster.core.run_coordinator, class: DefaultRunCoordinator}
"""
"""Settings with which Dagster's daemon is not needed to launch a run."""


@attrs.define
class CodeServer:
    """The process that Dagster's pages ask to start and end runs of the cohort c1."""

    process: object
    port: int
    instance: dg.DagsterInstance
    run_command: object

    def launch(self, workers, processes):
        """Launch a run whose steps are made by so many processes at once; return its id."""
        limited = {"workers": workers, "max_calls": 100}
        config = {
            "ops": {"cohort_run": {"config": limited}},
            "execution": {"config": {"multiprocess": {"max_concurrent": processes}}},
        }
        launched = self.run_command(
            *("job", "launch", "--grpc-port", str(self.port), "-j", "run_cohort"),
            *("--config-json", json.dumps(config)),
            *("--tags", json.dumps({"dagster/partition": "c1"})),
            command=DAGSTER,
            DAGSTER_HOME=self.instance.root_directory,
        )
        assert launched.returncode == 0, launched.stderr
        return self.instance.get_runs(limit=1)[0].run_id

    def wait_for_log(self, run_id, message, step):
        wait_for(
            lambda: any(
                message in event.message and event.step_key == step
                for event in self.instance.all_logs(run_id)
            )
        )

    def status_at_the_end(self, run_id):
        """Return the status of a run after its last process has ended."""
        wait_for(lambda: self.instance.get_run_by_id(run_id).is_finished)
        wait_for(lambda: not children(self.process.pid))
        return self.instance.get_run_by_id(run_id).status


def wait_for(probe):
    end = time.monotonic() + PATIENCE
    while not probe():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture
def code_server(tmp_path, planned, environment, daydream_process):
    home, port = tmp_path / "home", free_port()
    home.mkdir()
    (home / "dagster.yaml").write_text(WITHOUT_QUEUE, "utf-8")
    with open_instance(home) as instance, (tmp_path / "log").open("wb") as log:
        instance.add_dynamic_partitions("cohorts", ["c1"])
        process = subprocess.Popen(
            [*DAGSTER, *f"api grpc -m daydreaming_dagster.definitions -p {port}".split()],
            env={**environment, "DAGSTER_HOME": str(home)},
            stdout=log,
            stderr=log,
        )
        try:
            wait_for(lambda: listens(port))
            yield CodeServer(process, port, instance, daydream_process)
        finally:
            runs = children(process.pid)
            for pid in (process.pid, *runs, *chain.from_iterable(map(children, runs))):
                os.kill(pid, signal.SIGKILL)
            process.wait()


@pytest.mark.parametrize(
    ("workers", "processes"), [(1, 2), (3, 3), (3, 2)], ids=["one", "all", "one-not-begun"]
)
def test_terminating_a_run_ends_all_its_workers_and_keeps_the_answers_in_flight(
    code_server, chat_endpoint, daydream, workers, processes
):
    instance, answer = code_server.instance, chat_endpoint.answer
    calls, steps = processes, [f"shard[{number}]" for number in range(processes)]
    if workers == 1:
        calls, steps = 3, ["finish"]
    asked, answered = hold_calls(chat_endpoint, calls)
    run_id = code_server.launch(workers, processes)
    asked.wait()

    assert instance.run_launcher.terminate(run_id)
    if workers > processes:  # and once as *Force terminate* does it
        instance.report_run_canceled(instance.get_run_by_id(run_id))
    for step in steps:
        code_server.wait_for_log(run_id, "terminated: waiting", f"cohort_run.{step}")
    answered.set()

    assert code_server.status_at_the_end(run_id) is dg.DagsterRunStatus.CANCELED
    assert len(chat_endpoint.bodies) == calls
    assert len(instance.get_materialized_partitions(dg.AssetKey("draft_parsed"))) == calls
    # Nothing is locked or claimed any more.
    chat_endpoint.answer = answer
    done = daydream("run", "c1", DAGSTER_HOME=instance.root_directory)
    assert done.returncode == 0, done.stderr
    assert len(chat_endpoint.bodies) == 18
