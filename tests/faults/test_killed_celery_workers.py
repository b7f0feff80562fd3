"""Workers of celery that are killed: their steps are handed out again, and nothing is lost."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import yaml

from calls import PATIENCE
from daydreaming_dagster.defs.launch import open_instance
from endpoint import serving
from killing import Calls, QuietEndpoint, missing, start_run, write_cohort

SHIPPED = Path(__file__).parents[2] / "deploy/celery.yaml"
WORKERS = 2
KILLS = 2


@pytest.fixture
def celery(tmp_path, environment, redis_port):
    """The environment of workers and runs with the shipped file, in which redis is less patient."""
    document = yaml.safe_load(SHIPPED.read_text("utf-8"))
    options = document["execution"]["config"]["config_source"]["broker_transport_options"]
    options["visibility_timeout"] = 15
    file = tmp_path / "celery.yaml"
    file.write_text(yaml.safe_dump(document), "utf-8")
    return {
        **environment,
        "DAYDREAM_CELERY": str(file),
        "DAYDREAM_DATA_ROOT": str(tmp_path / "lab"),
        "DAGSTER_HOME": str(tmp_path / "home"),
        "CELERY_BROKER_URL": f"redis://127.0.0.1:{redis_port}/0",
        "CELERY_RESULT_BACKEND": f"redis://127.0.0.1:{redis_port}/1",
    }


@contextmanager
def running_workers(celery, folder):
    """Yield a function that has one of the workers killed and starts another in its place."""
    program = Path(sys.executable).parent / "dagster-celery"
    command = [program, *("worker", "start", "-A", "dagster_celery.app")]
    command += ["-y", celery["DAYDREAM_CELERY"], "--", "--concurrency=1"]
    # Celery starts its own programs by name.
    there = {**celery, "PATH": f"{program.parent}:{os.environ['PATH']}"}

    def start():
        return subprocess.Popen(command, env=there, stdout=log, stderr=log, start_new_session=True)

    def replace(number, kill):
        kill(partial(os.killpg, workers[number].pid))
        workers[number].wait()
        workers[number] = start()

    with (folder / "workers.log").open("wb") as log:
        workers = [start() for _ in range(WORKERS)]
        try:
            yield replace
        finally:
            for worker in workers:
                os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()


def test_a_run_survives_workers_of_celery_that_are_killed(tmp_path, celery):
    root = tmp_path / "lab"
    planned = write_cohort(root, 60)
    calls, drawn = Calls(latency_seconds=1.0), random.Random(1)
    with open_instance(tmp_path / "home") as instance:
        instance.add_dynamic_partitions("cohorts", ["c1"])
    with serving(QuietEndpoint(calls.respond)) as endpoint:
        celery["OPENAI_BASE_URL"] = endpoint.url
        with running_workers(celery, tmp_path) as replace:
            run = start_run(tmp_path / "run.log", {}, WORKERS, **celery)
            kills, end = 0, time.monotonic() + PATIENCE
            while run.poll() is None and time.monotonic() < end:
                time.sleep(2.0)
                if kills < KILLS and calls.working:
                    replace(drawn.randrange(WORKERS), calls.kill)
                    kills += 1
            run.kill()

    logs = [(tmp_path / name).read_text("utf-8")[-3000:] for name in ("run.log", "workers.log")]
    assert (kills, run.returncode) == (KILLS, 0), logs
    assert missing(root) == 0
    assert len(calls.asked) == planned
    assert calls.paid_twice_without_need == []
