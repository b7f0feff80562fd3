"""The command where `DAGSTER_HOME` names PostgreSQL as the storage of Dagster's records."""

import signal

import dagster as dg
import pytest

from calls import hold, wait_for_calls
from daydreaming_dagster.defs.launch import open_instance

STAGES = {"draft": 3, "essay": 6, "evaluation": 12}


@pytest.fixture
def environment(environment, postgresql_home):
    return {**environment, "DAGSTER_HOME": str(postgresql_home)}


def recorded(home):
    """Return the states of the runs, and how many generations Dagster has of each stage."""
    with open_instance(home) as instance:
        counts = {
            stage: len(instance.get_materialized_partitions(dg.AssetKey(f"{stage}_parsed")))
            for stage in STAGES
        }
        return [run.status.value for run in instance.get_runs()], counts


def test_a_cohort_is_run_after_a_kill_and_every_generation_is_recorded(
    start, daydream, chat_endpoint, data_root, postgresql_home
):
    assert daydream("plan", "c1").returncode == 0
    answered = hold(chat_endpoint)
    killed = start("run", "c1")
    wait_for_calls(chat_endpoint, 1)
    while recorded(postgresql_home)[0] != ["STARTED"]:
        assert killed.poll() is None
    killed.send_signal(signal.SIGKILL)
    killed.communicate()

    answered.set()
    result = daydream("run", "c1")

    assert result.returncode == 0
    assert recorded(postgresql_home) == (["SUCCESS", "CANCELED"], STAGES)
    for command in ("status", "tail"):
        assert daydream(command, "c1").returncode == 0
    assert not (data_root / "dagster_home").exists()

    calls = len(chat_endpoint.bodies)
    assert daydream("run", "c1").returncode == 0
    assert len(chat_endpoint.bodies) == calls


def test_a_loop_dreams(daydream, loop, chat_endpoint, postgresql_home):
    result = daydream("dream", "l")

    assert result.returncode == 0
    assert result.stdout.splitlines()[-1].startswith("3 rounds finished")
    with open_instance(postgresql_home) as instance:
        assert [run.status.value for run in instance.get_runs()] == ["SUCCESS"]
