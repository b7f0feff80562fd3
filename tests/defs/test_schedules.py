"""What runs by itself where it is switched on: cohorts at night, results after a run."""

import dagster as dg
import pytest

from daydreaming_dagster.application.run_cohort import RunOptions
from daydreaming_dagster.defs.build import build_definitions, define_data_root
from daydreaming_dagster.defs.launch import materialize_cohort_run


@pytest.fixture
def requested(instance, resources):
    """Return what the schedule requests now."""
    definitions = build_definitions(resources["data_root"], max_cost_per_night=1.5)
    schedule = definitions.resolve_schedule_def("completing")
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED

    def call():
        with dg.build_schedule_context(
            instance=instance,
            repository_def=definitions.get_repository_def(),
            resources=resources,
        ) as context:
            return schedule.evaluate_tick(context)

    call.job = definitions.resolve_job_def("run_cohort")
    return call


def test_a_cohort_that_lacks_answers_is_run_at_night_until_it_has_them(instance, used, requested):
    (request,) = requested().run_requests
    assert request.partition_key == "c1"
    assert request.run_config == {"ops": {"cohort_run": {"config": {"max_cost": 1.5}}}}

    waiting = instance.create_run_for_job(requested.job, tags={"dagster/partition": "c1"})
    assert requested().run_requests == []
    instance.delete_run(waiting.run_id)

    assert materialize_cohort_run(instance, used, "c1", RunOptions())
    assert requested().skip_message == "each planned cohort has all answers, or a run makes it"


# Dagster's own helper uses what it calls beta.
@pytest.mark.filterwarnings("ignore:Parameter `include_sources`")
def test_results_and_report_follow_a_run_where_automation_is_on(instance, resources, used):
    definitions = build_definitions(resources["data_root"])
    (sensor,) = [
        each
        for each in definitions.get_repository_def().sensor_defs
        if isinstance(each, dg.AutomationConditionSensorDefinition)
    ]
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED
    before = dg.evaluate_automation_conditions(definitions, instance)
    assert before.total_requested == 0

    assert materialize_cohort_run(instance, used, "c1", RunOptions())
    after = dg.evaluate_automation_conditions(definitions, instance, cursor=before.cursor)

    for asset in ("cohort_results", "cohort_report"):
        assert after.get_requested_partitions(dg.AssetKey(asset)) == {"c1"}
    assert after.total_requested == 2


def test_each_step_that_calls_models_is_in_a_pool(data_root):
    definitions = define_data_root(data_root, key_prefix="ideas", pool="acme")
    named = define_data_root(data_root, key_prefix="ideas")

    def pools(defined):
        assets = [each for each in defined.assets if isinstance(each, dg.AssetsDefinition)]
        return {pool for each in assets for pool in each.node_def.pools}

    assert pools(definitions) == {"acme"}
    assert pools(named) == {"ideas__model_calls"}
