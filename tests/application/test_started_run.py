"""A run that begins before the one who records it is there."""

import time

import pytest

from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.application.run_listener import NullRunListener
from daydreaming_dagster.application.started_run import StartedRun
from daydreaming_dagster.domain.errors import CohortNotPlannedError
from daydreaming_dagster.domain.generation.cancellation import CancellationToken


class Notes(NullRunListener):
    """Keeps what it is told."""

    def __init__(self):
        self.told = []

    def begin(self, plan):
        self.told.append(("begin", sum(map(len, plan.todo.values()))))

    def note(self, finished, budget):
        self.told += [(each.stage, each.gen_id) for each in finished]

    def set_aside(self, reason):
        self.told.append(("set aside", reason))


@pytest.fixture
def started(lab):
    plan_cohort(lab.store, lab.cohorts, "c1")
    token = CancellationToken()
    with StartedRun(token, Notes()) as run:
        yield run.start(lambda listener: lab.run(listener=listener, token=token))


def wait_for_answer(lab):
    until = time.monotonic() + 60
    while not lab.asked:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_the_calls_do_not_wait_for_who_follows_the_run(started, lab):
    assert not started.plan().changes_nothing
    wait_for_answer(lab)  # and nobody follows it yet


def test_who_comes_late_is_told_everything_from_the_beginning(started, lab):
    wait_for_answer(lab)
    late = Notes()
    run = started.follow(late)
    assert run.complete
    assert late.told[0] == ("begin", 21)
    assert len(late.told) == 22
    assert late.told == started.watcher.told


def test_a_second_follower_learns_what_came_of_the_run(started):
    first = started.follow(NullRunListener())
    assert started.follow(NullRunListener()) is first


def test_an_error_of_who_follows_the_run_ends_it_and_keeps_what_was_answered(started, lab):
    class Broken(NullRunListener):
        def note(self, finished, budget):
            raise OSError("the database is full")

    with pytest.raises(OSError, match="the database is full"):
        started.follow(Broken())
    assert started.token.reason == "the database is full"
    for gen_id in lab.store.list_generations("draft"):
        assert lab.store.read_parsed("draft", gen_id)


def test_a_failure_of_the_caller_ends_the_run(lab):
    plan_cohort(lab.store, lab.cohorts, "c1")
    token = CancellationToken()
    run = StartedRun(token, Notes())
    run.start(lambda listener: lab.run(listener=listener, token=token))
    with pytest.raises(OSError, match="no instance"), run:
        raise OSError("no instance")
    assert token.reason == "no instance"


def test_models_that_were_set_aside_are_told_to_the_follower_and_at_once(lab):
    plan_cohort(lab.store, lab.cohorts, "c1")

    def refuse(_request):
        raise ConnectionRefusedError("nobody is there")

    lab.answer = refuse
    token, watcher, late = CancellationToken(), Notes(), Notes()
    with StartedRun(token, watcher) as run:
        run.start(lambda listener: lab.run(listener=listener, token=token)).follow(late)
    assert late.told == watcher.told


def test_what_ends_a_run_before_its_first_call_is_raised_where_it_was_started(lab):
    token = CancellationToken()
    with StartedRun(token, Notes()) as run:
        run.start(lambda listener: lab.run("unplanned", listener=listener, token=token))
        with pytest.raises(CohortNotPlannedError):
            run.plan()
        with pytest.raises(CohortNotPlannedError):
            run.follow(NullRunListener())
