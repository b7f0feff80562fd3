"""Runs of several workers that Dagster executes again from their failure, or a step of them."""

import signal
import threading

import dagster as dg
import pytest
from dagster._core.execution.api import create_execution_plan, execute_plan
from dagster._core.execution.plan.state import KnownExecutionState

from in_dagster import run_cohort_job

CALLS = 18


@pytest.fixture
def run(instance, environment, monkeypatch):
    """Execute the job with these settings, anew or again from the failure of a run."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def call(failed=None, **config):
        return dg.execute_job(
            dg.reconstructable(run_cohort_job),
            instance,
            run_config(**config),
            tags={"dagster/partition": "c1"},
            reexecution_options=failed and dg.ReexecutionOptions.from_failure(failed, instance),
        )

    return call


def run_config(**config):
    """Return how the steps of three workers are made one after the other."""
    return {
        "ops": {"cohort_run": {"config": {"workers": 3, **config}}},
        "execution": {"config": {"in_process": {}}},
    }


@pytest.fixture
def interrupted(run, chat_endpoint):
    """Execute the job, and interrupt the first worker at its second call; return the run's id."""

    def call(**config):
        answer = chat_endpoint.answer

        def answer_and_interrupt(prompt):
            if len(chat_endpoint.bodies) == 2:
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            return answer(prompt)

        chat_endpoint.answer = answer_and_interrupt
        result = run(**config)
        chat_endpoint.answer = answer
        assert not result.success
        return result.run_id

    return call


def steps(result):
    return [event.step_key for event in result.all_events if event.is_step_start]


def failure(result):
    """Return what the last step of a run has failed with."""
    (event,) = result.filter_events(
        lambda event: event.is_step_failure and event.step_key == "cohort_run.finish"
    )
    return event.event_specific_data.error.message


def of_cohort(result):
    """Return what `cohort_run` shows of a run."""
    (*_, event) = result.get_asset_materialization_events()
    return {key: value.value for key, value in event.materialization.metadata.items()}


@pytest.mark.parametrize("limits", [{}, {"max_calls": 100}])
def test_what_an_interrupted_run_has_left_is_made(
    run, interrupted, chat_endpoint, data_root, limits
):
    failed = interrupted(**limits)
    before = len(chat_endpoint.bodies)

    result = run(failed, **limits)

    assert result.success
    assert "cohort_run.split" not in steps(result)
    assert "cohort_run.shard[0]" in steps(result)
    assert before < len(chat_endpoint.bodies) == CALLS
    assert of_cohort(result)["calls_of_run"] == CALLS - before
    assert not list(data_root.glob("ledgers/*"))


def test_a_limit_of_calls_counts_anew_in_each_execution(run, interrupted, chat_endpoint, data_root):
    failed = interrupted(max_calls=7)
    before = len(chat_endpoint.bodies)

    result = run(failed, max_calls=7)

    assert "the limit of 7 model calls is reached" in failure(result)
    assert len(chat_endpoint.bodies) == before + 7
    assert not list(data_root.glob("ledgers/*"))

    result = run(result.run_id, max_calls=7)

    assert steps(result) == ["cohort_run.finish"]
    assert len(chat_endpoint.bodies) == min(before + 14, CALLS)


def test_a_limit_of_the_total_cost_counts_what_was_spent_before(
    run, interrupted, chat_endpoint, data_root
):
    # A run expects its first answer to cost 1.5 USD, and then 0.005 USD, which each does cost.
    prices = "id,model,provider,prompt_price,completion_price\nbig,big-1,acme,0,1000\n"
    (data_root / "1_raw/llm_models.csv").write_text(prices)
    failed = interrupted(max_cost_total=1.505)
    before = len(chat_endpoint.bodies)

    result = run(failed, max_cost_total=1.505)

    assert "the limit of 1.505 USD for all runs of the cohort is reached" in failure(result)
    assert "of it before this run, and the next answer may cost 1.50" in failure(result)
    assert len(chat_endpoint.bodies) == before > 1


@pytest.mark.parametrize("calls", [100, 5])
def test_the_last_step_can_be_started_again_at_its_very_end(
    run, instance, chat_endpoint, data_root, calls
):
    done = run(max_calls=calls)
    assert not list(data_root.glob("ledgers/*"))
    made, config = len(chat_endpoint.bodies), run_config(max_calls=calls)
    ended = instance.get_run_by_id(done.run_id)
    job = dg.reconstructable(run_cohort_job)
    plan = create_execution_plan(
        job,
        config,
        step_keys_to_execute=["cohort_run.finish"],
        known_state=KnownExecutionState.build_for_reexecution(instance, ended),
        tags=ended.tags,
    )

    # As an executor starts a step again whose process was killed.
    events = execute_plan(plan, job, instance, ended, config)

    (last,) = [event for event in events if event.is_step_success or event.is_step_failure]
    assert last.is_step_success == done.success == (calls > CALLS)
    if not done.success:
        assert last.event_specific_data.error.message == failure(done)
        assert "the limit of 5 model calls is reached" in failure(done)
    assert len(chat_endpoint.bodies) == made == min(calls, CALLS)
