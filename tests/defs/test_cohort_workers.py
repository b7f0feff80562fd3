"""A cohort that several workers make in Dagster: the same as one worker makes."""

import re
import shutil

import dagster as dg
import pytest

from adapters import FilesystemGensStore
from adapters.cohort_store.filesystem import FilesystemCohortStore
from adapters.language_model.scripted import ScriptedLanguageModel
from builders import judge_or_echo
from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.bootstrap import open_data_root
from daydreaming_dagster.defs.cohort_run import build_cohort_run
from daydreaming_dagster.defs.part_recording import PartRecorder
from daydreaming_dagster.domain.generation.ledger import Limits
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.limits_bootstrap import open_ledger
from daydreaming_dagster.ports.language_model import LanguageModelError
from daydreaming_dagster.types import STAGES
from in_dagster import resource

cohort_run = build_cohort_run(SHIPPED)


@pytest.fixture
def run(instance, data_root):
    """Materialize the cohort with these answers and settings; return the result and the model."""

    def call(answer=judge_or_echo, cohort="c1", **config):
        model = ScriptedLanguageModel(answer)
        result = dg.materialize(
            [cohort_run],
            instance=instance,
            resources={"data_root": resource(data_root, language_model=model)},
            partition_key=cohort,
            run_config={"ops": {"cohort_run": {"config": config}}},
            raise_on_error=False,
        )
        return result, model

    return call


def shown(result):
    (event,) = result.get_asset_materialization_events()[-1:]
    assert event.asset_key == dg.AssetKey("cohort_run")
    return {key: value.value for key, value in event.materialization.metadata.items()}


def test_several_workers_make_what_one_makes_and_it_looks_the_same(run, instance, members):
    result, model = run(workers=3)

    assert result.success
    assert len(model.requests) == 18
    made = shown(result)
    assert (made["made_by_run"], made["calls_of_run"], made["evaluations"]) == (21, 18, 12)
    for stage in STAGES:
        for step in ("prompt", "raw", "parsed"):
            asset = dg.AssetKey(f"{stage}_{step}")
            assert instance.get_materialized_partitions(asset) == set(members[stage])
    evaluations = result.get_asset_check_evaluations()
    assert {one.check_name for one in evaluations if one.asset_key.path == ["cohort_run"]}
    assert all(one.passed for one in evaluations)


def test_what_is_done_is_made_by_no_worker(run):
    run(workers=2)

    result, model = run(workers=2)

    assert result.success
    assert not model.requests
    assert (shown(result)["made_by_run"], shown(result)["cost_of_run_usd"]) == (0, 0)


def test_a_generation_that_fails_is_asked_for_once_and_shown_as_with_one_worker(run):
    def answer(request):
        if "Ant" in request.prompt and "Bee" in request.prompt:
            return LanguageModelError("big-1 is tired")
        return judge_or_echo(request)

    result, model = run(answer, workers=3)

    assert not result.success
    failure = result.failure_data_for_node("cohort_run.finish").user_failure_data
    assert failure.description.startswith("1 generation failed, 6 not started, 14 done and kept")
    (row,) = (record.data for record in failure.metadata["failures"].records)
    assert (row["stage"], row["error"]) == ("draft", "LanguageModelError")
    assert len(model.requests) == 13


def test_a_limit_of_calls_holds_over_all_workers(run, data_root):
    result, model = run(workers=3, max_calls=5)

    assert not result.success
    assert len(model.requests) == 5
    failure = result.failure_data_for_node("cohort_run.finish").user_failure_data
    assert "the limit of 5 model calls is reached" in failure.description
    assert "0 generations failed" in failure.description
    assert not list(data_root.glob("ledgers/*"))


def test_a_run_that_stays_within_its_limits_leaves_no_ledger(run, data_root):
    result, _ = run(workers=2, max_calls=100)

    assert result.success
    assert not list(data_root.glob("ledgers/*"))


def test_a_ledger_of_a_run_that_this_dagster_does_not_know_is_kept(run, data_root):
    ledger = open_ledger(open_data_root(data_root), "of-another-machine")
    ledger.begin(Limits(max_calls=1), workers=2)

    run(workers=2, max_calls=100)

    assert ledger.read()


def test_a_generation_of_two_cohorts_shows_both(run, instance, data_root):
    spec = data_root / "cohorts/c1/spec"
    shutil.copytree(spec, data_root / "cohorts/c2/spec")
    plan_cohort(FilesystemGensStore(data_root), FilesystemCohortStore(data_root), "c2")
    instance.add_dynamic_partitions("cohorts", ["c2"])

    run(workers=2, cohort="c2")

    (event,) = instance.fetch_materializations(dg.AssetKey("draft_parsed"), limit=1).records
    shown = event.asset_materialization.metadata["cohorts"].value
    assert re.findall(r"\[(\w+)\]", shown) == ["c1", "c2"]


def test_what_workers_made_before_they_were_killed_counts(run, instance, monkeypatch):
    finish, killed = PartRecorder.finish, set()

    def finish_at_the_second_attempt(recorder, part, made):
        if part in killed:
            finish(recorder, part, made)
        killed.add(part)

    monkeypatch.setattr(PartRecorder, "finish", finish_at_the_second_attempt)

    result, _ = run(workers=2)

    assert killed
    logged = [entry.user_message for entry in instance.all_logs(result.run_id)]
    waits = [message for message in logged if message.startswith("waiting")]
    note = "(a part is taken over if its worker dies)"
    assert waits[0] == f"waiting for other workers: part 1; part 2 {note}"
    assert (shown(result)["made_by_run"], shown(result)["calls_of_run"]) == (21, 18)


def test_what_is_forced_is_asked_for_once(run, members):
    run()

    result, model = run(workers=2, force=[members["essay"][0]])

    assert result.success
    assert len(model.requests) <= 1


def test_a_run_is_refused_while_a_worker_of_another_makes_a_part(run, data_root):
    with FilesystemCohortStore(data_root).hold_part("c1", 0):
        result, model = run(workers=2)

    assert not result.success
    assert not model.requests
    failure = result.failure_data_for_node("cohort_run.split").user_failure_data
    assert "c1" in failure.description


def test_a_worker_of_another_data_root_makes_nothing(run, data_root, monkeypatch):
    begin = PartRecorder.begin_run
    monkeypatch.setattr(
        PartRecorder,
        "begin_run",
        lambda recording, _location, *begun: begin(recording, "s3://lab/ideas", *begun),
    )

    result, model = run(workers=2)

    assert not result.success
    assert not model.requests
    failures = [one.step_failure_data for one in result.all_events if one.is_step_failure]
    assert {one.user_failure_data.description for one in failures} == {
        (
            f"the run was divided in the data root s3://lab/ideas, and this worker has {data_root};"
            " set DAYDREAM_DATA_ROOT to the same for all of them, and run again"
        )
    }


def test_a_worker_without_a_data_root_is_told_what_names_it(run, data_root):
    shutil.rmtree(data_root / "1_raw")

    result, _ = run(workers=2)

    failure = result.failure_data_for_node("cohort_run.split").user_failure_data
    assert "DAYDREAM_DATA_ROOT names the data root, for each worker, too" in failure.description
