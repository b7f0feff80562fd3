"""The sensor that finds loops, and the schedule that lets them dream."""


# No `from __future__ import annotations` here: Dagster reads the annotations.

import dagster as dg

from daydreaming_dagster.application.loop_check import check_loop
from daydreaming_dagster.application.loop_status import step_of
from daydreaming_dagster.defs.failures import as_failure
from daydreaming_dagster.defs.naming import local_name
from daydreaming_dagster.defs.partitions import add_partitions, loops_name, partitions_in_runs
from daydreaming_dagster.defs.resources import resource_key, resources_of
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.loop.journal import Stop
from daydreaming_dagster.errors import DaydreamingError


def build_loop_sensor(key_prefix: str = "") -> dg.SensorDefinition:
    """Return the sensor that finds loops."""

    @dg.sensor(
        name=local_name(key_prefix, "discover_loops"),
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={resource_key(key_prefix)},
        description="Adds a partition for each new loop. Those of removed loops stay.",
    )
    def discover_loops(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        """Request one partition for each loop that has a specification."""
        loop_store = resources_of(context, key_prefix).root.loops
        if loop_store is None:
            return dg.SkipReason("this data root cannot keep loops")
        name = loops_name(key_prefix)
        known = set(context.instance.get_dynamic_partitions(name))
        added = sorted(set(loop_store.list_loops()) - known)
        if not added:
            return dg.SkipReason("there is no new loop")
        return dg.SensorResult(
            dynamic_partitions_requests=[dg.AddDynamicPartitionsRequest(name, added)]
        )

    return discover_loops


def build_dreaming(key_prefix: str = "") -> dg.ScheduleDefinition:
    """Return the schedule that makes rounds of loops."""
    job_name = local_name(key_prefix, "dream")

    @dg.schedule(
        name=local_name(key_prefix, "dreaming"),
        job_name=job_name,
        cron_schedule="*/5 * * * *",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        required_resource_keys={resource_key(key_prefix)},
        description=(
            "Switch it on for the night: every five minutes, each loop that has not stopped and "
            "makes no round begins its next one. What a night may cost is the loop's "
            "`stop.max_cost`."
        ),
    )
    def dreaming(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        """Request a round of each loop that can make one."""
        with as_failure(None, DaydreamingError):
            root = resources_of(context, key_prefix).root
            loop_store, catalog = root.kept_loops(), root.cohorts.read_catalog()
            loops = loop_store.list_loops()
        ready: list[str] = []
        for loop_id in loops:
            try:
                spec, journal = loop_store.read_spec(loop_id), loop_store.read_journal(loop_id)
                planned = spec.with_planned_ids(catalog.planned_ids())
                check_loop(loop_id, planned, catalog, loop_store, journal)
            except CatalogError as error:  # a run would fail at once; the other loops go on
                context.log.warning("%s", error)
                continue
            if not isinstance(step_of(spec, journal, catalog), Stop):
                ready.append(loop_id)
        busy = partitions_in_runs(context.instance, job_name)
        todo = [loop_id for loop_id in ready if loop_id not in busy]
        if not todo:
            return dg.SkipReason(
                "each loop has stopped or has mistakes, or a run makes a round of it"
            )
        add_partitions(context.instance, loops_name(key_prefix), todo)
        return [dg.RunRequest(partition_key=loop_id) for loop_id in todo]

    return dreaming
