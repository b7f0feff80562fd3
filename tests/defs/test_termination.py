"""Ending a run of Dagster early: the first signal waits for what is in flight."""

import json
import signal
import subprocess
import sys
import threading

import dagster as dg
import pytest

from adapters import FilesystemGensStore
from adapters.language_model.scripted import ScriptedLanguageModel
from builders import judge_or_echo
from daydreaming_dagster.defs.assets import STAGE_ASSETS
from daydreaming_dagster.defs.cohorts import cohort_run
from daydreaming_dagster.defs.launch import open_instance
from daydreaming_dagster.defs.resources import production_resources


@pytest.fixture
def home(tmp_path, instance):
    return tmp_path / "dagster_home"


def interrupted(home, data_root, asset, partition, *after_seconds, latency=1.0):
    """Materialize an asset whose first three calls are followed by interrupts."""

    def answer(request):
        if len(model.requests) == 3:
            for seconds in after_seconds:
                interrupt = (threading.main_thread().ident, signal.SIGINT)
                threading.Timer(seconds, signal.pthread_kill, interrupt).start()
        return judge_or_echo(request)

    model = ScriptedLanguageModel(answer, latency_seconds=latency)
    resources = {**production_resources(data_root), "language_model": model}
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
    stage = (STAGE_ASSETS["draft"], {"tags": ends})
    return stage if request.param == "stage" else (cohort_run, {"partition_key": "c1"})


def test_an_interrupt_keeps_the_answers_in_flight_and_begins_nothing(
    home, data_root, members, materialized
):
    recorded = interrupted(home, data_root, *materialized, 0.1)

    assert recorded == set(members["draft"])
    store = FilesystemGensStore(data_root)
    assert all(store.read_parsed("draft", gen_id) for gen_id in members["draft"])


def test_a_second_interrupt_drops_them(home, data_root, materialized):
    assert interrupted(home, data_root, *materialized, 0.1, 0.5, latency=60) == set()


def test_terminating_the_process_of_a_run_keeps_the_answers_in_flight(
    home, data_root, members, environment, chat_endpoint
):
    answer = chat_endpoint.answer
    asked, terminated = threading.Barrier(4, timeout=60), threading.Event()

    def wait(prompt):
        asked.wait()
        assert terminated.wait(60)
        return answer(prompt)

    chat_endpoint.answer = wait
    command = "dagster asset materialize -m daydreaming_dagster.definitions --select cohort_run"
    process = subprocess.Popen(
        [sys.executable, "-m", *command.split(), "--partition", "c1"],
        env={**environment, "DAGSTER_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    asked.wait()
    process.send_signal(signal.SIGTERM)
    with open_instance(home) as instance:
        (run,) = instance.get_runs()
        while not any(
            event.message.startswith("Multiprocess executor: received termination signal")
            for event in instance.all_logs(run.run_id)
        ):
            assert process.poll() is None
        terminated.set()
        process.communicate(timeout=60)

        stored = [*data_root.glob("gens/*/*/raw_metadata.json")]
        paid = [raw for raw in stored if json.loads(raw.read_text())["mode"] == "llm"]
        assert len(paid) == len(chat_endpoint.bodies)
        recorded = instance.get_materialized_partitions(dg.AssetKey("draft_parsed"))
        assert recorded == set(members["draft"])
        # Nobody asked Dagster to cancel the run, so that it may be retried.
        assert instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.FAILURE
