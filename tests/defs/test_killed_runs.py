"""Runs of the command whose process was killed, as Dagster shows them."""

import signal

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from calls import hold, wait_for_calls
from daydreaming_dagster.defs import killed_runs
from daydreaming_dagster.defs.launch import open_instance
from daydreaming_dagster.defs.termination_server import confirming_termination

STARTED, CANCELED = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELED


def statuses(data_root):
    with open_instance(data_root / "dagster_home") as instance:
        return [run.status for run in instance.get_runs()]


def test_a_run_that_was_killed_is_closed_by_the_next_one(start, daydream, chat_endpoint, data_root):
    assert daydream("plan", "c1").returncode == 0
    answered = hold(chat_endpoint)
    process = start("run", "c1")
    wait_for_calls(chat_endpoint, 1)
    while statuses(data_root) != [STARTED]:
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()

    answered.set()
    assert daydream("run", "c1").returncode == 0

    assert statuses(data_root) == [dg.DagsterRunStatus.SUCCESS, CANCELED]


@pytest.fixture
def instance(tmp_path):
    with open_instance(tmp_path / "home") as instance:
        yield instance


class Context:
    """What `close_killed_runs` reads of an asset's context."""

    def __init__(self, instance, run):
        self.instance, self.run = instance, run


def started(instance, data_root="/data", cohort="c1", **tags):
    tags = {**killed_runs.owner_tags(data_root), "dagster/partition": cohort, **tags}
    return create_run_for_test(instance, "run_cohort", status=STARTED, tags=tags)


def test_no_run_is_closed_that_is_alive_elsewhere_or_of_something_else(instance):
    with confirming_termination() as dead:
        pass
    with confirming_termination() as alive:
        kept = [
            started(instance, **alive),
            started(instance, **dead, **{"daydream/host": "another"}),
            started(instance, "/other", **dead),
            started(instance, cohort="c2", **dead),
            started(instance),
            create_run_for_test(instance, "run_cohort", status=STARTED),
        ]
        killed = started(instance, **dead)
        own = started(instance, **alive)

        killed_runs.close_killed_runs(Context(instance, own))

        assert instance.get_run_by_id(killed.run_id).status == CANCELED
        for run in [*kept, own]:
            assert instance.get_run_by_id(run.run_id).status == STARTED
