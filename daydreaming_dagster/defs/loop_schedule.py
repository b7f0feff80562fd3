"""The sensor that finds loops, and the schedule that lets them dream."""


# No `from __future__ import annotations` here: Dagster reads the annotations.

from typing import Final

import dagster as dg

from daydreaming_dagster.bootstrap import open_data_root
from daydreaming_dagster.defs.failures import as_failure
from daydreaming_dagster.defs.naming import asset_key
from daydreaming_dagster.defs.partitions import loops_name
from daydreaming_dagster.domain.loop.journal import Stop, next_step
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.ports.ids import is_id

_PARTITION_TAG: Final = "dagster/partition"
_UNFINISHED: Final = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Adds a partition for each new loop. Those of removed loops stay.",
)
def discover_loops(
    context: dg.SensorEvaluationContext,
    data_root: dg.ResourceParam[str],
    key_prefix: dg.ResourceParam[str],
) -> dg.SensorResult | dg.SkipReason:
    """Request one partition for each loop that has a specification."""
    loop_store = open_data_root(data_root).loops
    if loop_store is None:
        return dg.SkipReason("this data root cannot keep loops")
    name = loops_name(key_prefix)
    known = set(context.instance.get_dynamic_partitions(name))
    added = sorted(set(filter(is_id, loop_store.list_loops())) - known)
    if not added:
        return dg.SkipReason("there is no new loop")
    return dg.SensorResult(
        dynamic_partitions_requests=[dg.AddDynamicPartitionsRequest(name, added)]
    )


@dg.schedule(
    job_name="dream",
    cron_schedule="*/5 * * * *",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description=(
        "Switch it on for the night: every five minutes, each loop that has not stopped and makes "
        "no round begins its next one. What a night may cost is the loop's `stop.max_cost`."
    ),
)
def dreaming(
    context: dg.ScheduleEvaluationContext,
    data_root: dg.ResourceParam[str],
    key_prefix: dg.ResourceParam[str],
) -> list[dg.RunRequest] | dg.SkipReason:
    """Request a round of each loop that can make one."""
    with as_failure(None, DaydreamingError):
        loop_store = open_data_root(data_root).kept_loops()
        ready = [
            loop_id
            for loop_id in filter(is_id, loop_store.list_loops())
            if not isinstance(
                next_step(loop_store.read_spec(loop_id).stop, loop_store.read_journal(loop_id)),
                Stop,
            )
        ]
    asset = asset_key(key_prefix, "dream_round")
    runs = context.instance.get_runs(dg.RunsFilter(statuses=[*_UNFINISHED], job_name="dream"))
    busy = {
        run.tags.get(_PARTITION_TAG) for run in runs if asset in (run.asset_selection or {asset})
    }
    todo = [loop_id for loop_id in ready if loop_id not in busy]
    if not todo:
        return dg.SkipReason("each loop has stopped, or a run makes a round of it")
    context.instance.add_dynamic_partitions(loops_name(key_prefix), todo)
    return [dg.RunRequest(partition_key=loop_id) for loop_id in todo]
