"""Ending a run of Dagster early: the first signal waits for what is in flight."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

import attrs
import dagster as dg
import pytest

from adapters import FilesystemGensStore
from adapters.language_model.scripted import ScriptedLanguageModel
from builders import judge_or_echo
from calls import PATIENCE, hold_calls
from daydreaming_dagster.defs.assets import build_stage_asset
from daydreaming_dagster.defs.cohort_run import build_cohort_run
from daydreaming_dagster.defs.launch import open_instance
from daydreaming_dagster.defs.partitions import stage_partitions
from daydreaming_dagster.defs.termination_server import confirming_termination
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.ports.language_model import LanguageModelError
from in_dagster import resource

cohort_run = build_cohort_run(SHIPPED)


@pytest.fixture
def home(tmp_path, instance):
    return tmp_path / "dagster_home"


def interrupt():
    """Interrupt what goes on now a moment later."""
    main = threading.main_thread().ident
    threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT)).start()


@attrs.define
class HoldingLanguageModel(ScriptedLanguageModel):
    """Answers when it is told that the run ends, and its latency later."""

    ends: threading.Event = attrs.field(factory=threading.Event, init=False)

    async def complete(self, request):
        try:
            return await super().complete(request)
        finally:
            while not self.ends.is_set():  # noqa: ASYNC110  another thread sets it
                await asyncio.sleep(0.01)

    def stop(self, reason, model=None):
        super().stop(reason, model)
        self.ends.set()


class TwiceInterruptedLanguageModel(HoldingLanguageModel):
    def stop(self, reason, model=None):
        super().stop(reason, model)
        interrupt()


def interrupted(home, data_root, asset, partition, make_model=HoldingLanguageModel):
    """Materialize an asset whose first three calls are followed by an interrupt."""

    def answer(request):
        if len(model.requests) == 3:
            interrupt()
        return judge_or_echo(request)

    model = make_model(answer)
    resources = {"data_root": resource(data_root, language_model=model)}
    with open_instance(home) as instance:
        with pytest.raises(dg.DagsterExecutionInterruptedError):
            dg.materialize(
                [asset],
                instance=instance,
                resources=resources,
                **partition,
            )
        recorded = instance.get_materialized_partitions(dg.AssetKey("draft_parsed"))
    assert len(model.requests) == 3
    return recorded


@pytest.fixture(params=["stage", "cohort"])
def materialized(request, members):
    """An asset, and the partitions of it that ask for three drafts."""
    ends = {
        "dagster/asset_partition_range_start": members["draft"][0],
        "dagster/asset_partition_range_end": members["draft"][-1],
    }
    stage = (build_stage_asset(SHIPPED, "draft"), {"tags": ends})
    return stage if request.param == "stage" else (cohort_run, {"partition_key": "c1"})


def test_an_interrupt_keeps_the_answers_in_flight_and_begins_nothing(
    home, data_root, members, materialized
):
    recorded = interrupted(home, data_root, *materialized)

    assert recorded == set(members["draft"])
    store = FilesystemGensStore(data_root)
    assert all(store.read_parsed("draft", gen_id) for gen_id in members["draft"])


def test_a_second_interrupt_drops_them(home, data_root, materialized):
    def make_model(answer):
        return TwiceInterruptedLanguageModel(answer, latency_seconds=10**6)

    assert interrupted(home, data_root, *materialized, make_model) == set()


def wait_for_log(instance, run, process, message, step=None):
    """Wait until the process has logged it in the run, or a step of it."""
    while not any(
        message in event.message and step in {None, event.step_key}
        for event in instance.all_logs(run.run_id)
    ):
        assert process.poll() is None
        time.sleep(0.1)


@pytest.mark.parametrize(
    "terminate",
    [
        lambda process: process.send_signal(signal.SIGTERM),
        # As a terminal does on Ctrl-C: to the run, and to its steps, which get it from both.
        lambda process: os.killpg(process.pid, signal.SIGINT),
    ],
    ids=["SIGTERM", "Ctrl-C"],
)
@pytest.mark.usefixtures("members")
def test_terminating_the_process_of_a_run_keeps_the_answers_in_flight(
    home, data_root, environment, chat_endpoint, terminate
):
    asked, terminated = hold_calls(chat_endpoint, 3)
    command = "dagster asset materialize -m daydreaming_dagster.definitions --select cohort_run"
    process = subprocess.Popen(
        [sys.executable, "-m", *command.split(), "--partition", "c1"],
        env={**environment, "DAGSTER_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    asked.wait()
    terminate(process)
    with open_instance(home) as instance:
        (run,) = instance.get_runs()
        wait_for_log(instance, run, process, "Multiprocess executor: received termination signal")
        terminated.set()
        process.communicate(timeout=PATIENCE)

        stored = [*data_root.glob("gens/*/*/raw_metadata.json")]
        paid = [raw for raw in stored if json.loads(raw.read_text())["mode"] == "llm"]
        assert len(paid) == len(chat_endpoint.bodies)
        recorded = instance.get_materialized_partitions(dg.AssetKey("draft_parsed"))
        assert recorded == {path.name for path in data_root.glob("gens/draft/d_*")}
        # Nobody asked Dagster to cancel the run, so that it may be retried.
        assert instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize("forced", [False, True])
def test_terminating_a_run_of_the_command_in_the_pages_ends_it_as_ctrl_c_does(
    home, members, start, chat_endpoint, forced
):
    asked, terminated = hold_calls(chat_endpoint, 3)
    process = start("run", "c1", DAGSTER_HOME=str(home))
    asked.wait()
    with open_instance(home) as instance:
        while not (runs := instance.get_runs()):  # the first calls do not wait for Dagster
            assert process.poll() is None
            time.sleep(0.1)
        (run,) = runs
        wait_for_log(instance, run, process, "Started execution of step")
        # As dagster_graphql does it.
        assert instance.run_coordinator.cancel_run(run.run_id)
        if forced:
            instance.report_run_canceled(run)
        wait_for_log(instance, run, process, "terminated: waiting")
        terminated.set()
        _, err = process.communicate(timeout=PATIENCE)

        assert process.returncode == 1
        assert "stopped: terminated in Dagster" in err
        assert instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.CANCELED
        recorded = instance.get_materialized_partitions(dg.AssetKey("draft_parsed"))
    assert recorded == set(members["draft"])
    assert len(chat_endpoint.bodies) == 3


def test_a_terminated_run_records_its_failures_and_checks(
    data_root, members, materialized, instance
):
    def answer(request):
        if len(model.requests) == 3:
            interrupt()
        return LanguageModelError("refused") if len(model.requests) == 1 else "Re"

    model = HoldingLanguageModel(answer)
    asset, partition = materialized
    resources = {"data_root": resource(data_root, language_model=model)}
    with pytest.raises(dg.DagsterExecutionInterruptedError) as interruption:
        dg.materialize([asset], instance=instance, resources=resources, **partition)

    assert "1 generation failed" in str(interruption.value.__cause__)
    statuses = instance.get_status_by_partition(
        dg.AssetKey("draft_raw"), members["draft"], stage_partitions("draft")
    )
    assert [status.value for status in statuses.values()].count("FAILED") == 1
    (check,) = instance.event_log_storage.get_asset_check_summary_records(
        [dg.AssetCheckKey(dg.AssetKey("draft_parsed"), "parsed_present")]
    ).values()
    evaluation = check.last_completed_check_execution_record.event.asset_check_evaluation
    assert not evaluation.passed
    assert evaluation.metadata["findings"].value == 1


@pytest.mark.parametrize("folder", ["missing", "long" * 40])
def test_a_run_needs_no_place_for_the_socket(tmp_path, monkeypatch, folder):
    if folder != "missing":
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / folder))

    with confirming_termination() as tags:
        assert tags == {}
