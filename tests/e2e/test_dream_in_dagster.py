"""Loops in Dagster: what `daydream dream` records, the asset, the sensor and the schedule."""

import json

import attrs
import dagster as dg
import pytest

from daydreaming_dagster.bootstrap import open_data_root
from daydreaming_dagster.defs.build import define_data_root
from daydreaming_dagster.defs.launch import open_instance
from daydreaming_dagster.defs.resources import RunResources
from in_dagster import resource


@pytest.fixture
def definitions(data_root, loop, chat_endpoint, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", chat_endpoint.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    return define_data_root(data_root)


@pytest.fixture
def instance(data_root):
    with open_instance(data_root / "dagster_home") as instance:
        yield instance


def rounds_in(instance):
    """The metadata of the rounds that Dagster knows, the first first."""
    records = instance.fetch_materializations(dg.AssetKey("dream_round"), limit=100).records
    return [
        {name: value.value for name, value in record.asset_materialization.metadata.items()}
        for record in reversed(records)
    ]


def dream(definitions, instance, **config):
    instance.add_dynamic_partitions("loops", ["l"])
    return definitions.resolve_job_def("dream").execute_in_process(
        instance=instance,
        partition_key="l",
        run_config={"ops": {"dream_round": {"config": config}}},
        raise_on_error=False,
    )


def test_what_the_command_does_is_in_dagsters_event_log(daydream, loop, instance):
    daydream("dream", "l", "--rounds", "2")

    (run,) = instance.get_runs()
    assert (run.job_name, run.status) == ("dream", dg.DagsterRunStatus.SUCCESS)
    assert run.tags["dagster/partition"] == "l"
    ends = [
        json.loads((loop / f"rounds/000{number}/decided.json").read_text()) for number in (1, 2)
    ]
    for number, (shown, end) in enumerate(zip(rounds_in(instance), ends, strict=True), start=1):
        assert shown["round"] == number
        assert shown["accepted"] == end["measures"]["accepted"]
        assert shown["novelty"] == pytest.approx(end["measures"]["novelty"])
    # Each generation is a partition of its stage's assets, as those of `daydream run` are.
    raw = instance.get_materialized_partitions(dg.AssetKey("evaluation_raw"))
    assert len(raw) == 2 * 8
    assert instance.get_materialized_partitions(dg.AssetKey("cohort_membership")) == {
        "l-0001",
        "l-0002",
    }


def test_the_asset_makes_one_round_and_goes_on_in_the_next_run(definitions, instance, loop):
    assert dream(definitions, instance).success
    assert dream(definitions, instance, rounds=None).success
    assert dream(definitions, instance).success, "a loop that has stopped is not a failure"

    assert [shown["round"] for shown in rounds_in(instance)] == [1, 2, 3]
    assert len(list(loop.glob("rounds/*/decided.json"))) == 3


def test_a_round_that_is_interrupted_fails_and_the_next_run_finishes_it(
    definitions, instance, data_root, loop, chat_endpoint
):
    (data_root / "1_raw/llm_models.csv").write_text(
        "id,model,provider,prompt_price,completion_price\nbig,big-1,acme,1000,1000\n"
    )

    failed = dream(definitions, instance, max_cost=0.001)

    assert not failed.success
    (event,) = [each for each in failed.all_events if each.is_step_failure]
    assert "the next run goes on with the round" in str(event.step_failure_data.error)
    assert rounds_in(instance) == []
    assert dream(definitions, instance).success
    assert [shown["round"] for shown in rounds_in(instance)] == [1]


def test_a_wrong_specification_fails_with_its_problems(definitions, instance, loop, chat_endpoint):
    (loop / "spec.yaml").write_text("pairs: 0\n")

    failed = dream(definitions, instance)

    (event,) = [each for each in failed.all_events if each.is_step_failure]
    assert "pairs: expected 1 to 100,000, found 0" in str(event.step_failure_data.error)
    assert chat_endpoint.bodies == []


def test_the_sensor_finds_loops(definitions, instance, data_root):
    sensor = definitions.resolve_sensor_def("discover_loops")

    def evaluate():
        context = dg.build_sensor_context(
            instance=instance, resources={"data_root": resource(data_root)}
        )
        with context:
            return sensor.evaluate_tick(context)

    (request,) = evaluate().dynamic_partitions_requests
    assert (request.partitions_def_name, request.partition_keys) == ("loops", ["l"])
    instance.add_dynamic_partitions("loops", ["l"])
    assert evaluate().skip_message == "there is no new loop"


def test_a_data_root_without_loops_has_none_to_find(definitions, instance, data_root):
    used = RunResources(attrs.evolve(open_data_root(data_root), loops=None))
    context = dg.build_sensor_context(instance=instance, resources={"data_root": used})
    with context:
        skipped = definitions.resolve_sensor_def("discover_loops").evaluate_tick(context)

    assert skipped.skip_message == "this data root cannot keep loops"


def test_the_schedule_is_off_and_requests_a_round_of_each_loop_that_goes_on(
    definitions, instance, data_root, daydream
):
    schedule = definitions.resolve_schedule_def("dreaming")
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED

    def requested():
        context = dg.build_schedule_context(
            instance=instance,
            repository_def=definitions.get_repository_def(),
            resources={"data_root": resource(data_root)},
        )
        with context:
            return schedule.evaluate_tick(context)

    broken = data_root / "loops/broken/spec.yaml"
    broken.parent.mkdir()
    broken.write_text("pairs: 4: 5")
    (request,) = requested().run_requests
    assert request.partition_key == "l", "a loop that cannot be read keeps no other from going on"
    broken.write_text("pairs: 0\n")
    assert [each.partition_key for each in requested().run_requests] == ["l"], "it would fail"
    assert instance.get_dynamic_partitions("loops") == ["l"]
    job = definitions.resolve_job_def("dream")
    run = instance.create_run_for_job(job, tags={"dagster/partition": "l"})
    assert requested().run_requests == [], "a run makes a round"
    instance.delete_run(run.run_id)
    daydream("dream", "l")
    assert "has stopped" in requested().skip_message
