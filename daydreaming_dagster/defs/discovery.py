"""The sensor that finds cohorts, and the job that forgets generations without a cohort."""


# No `from __future__ import annotations` here: Dagster reads the annotations.

import json

import dagster as dg

from daydreaming_dagster.defs.failures import as_failure
from daydreaming_dagster.defs.partitions import cohorts_name, partitions_name
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates
from daydreaming_dagster.ports.ids import is_id


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Adds a partition for each new cohort and removes those whose folder is gone.",
)
def discover_cohorts(
    context: dg.SensorEvaluationContext,
    cohort_store: dg.ResourceParam[CohortStore],
    data_root: dg.ResourceParam[str],
    key_prefix: dg.ResourceParam[str],
) -> dg.SensorResult | dg.SkipReason:
    """Request one partition for each cohort that has a specification.

    The cursor remembers the data root and the cohorts that it had. Only they are removed: another
    code location may use the same Dagster instance with another data root, and this one may have
    been started with another data root before.
    """
    name = cohorts_name(key_prefix)
    known = set(context.instance.get_dynamic_partitions(name))
    before = _cohorts_before(context.cursor, data_root)
    # Others cannot be planned. `plan` says so.
    there = set(filter(is_id, cohort_store.list_cohorts()))
    if before and not there:
        return dg.SkipReason(
            "all cohorts are gone; none is removed, since the data root may not be mounted"
        )
    cursor = json.dumps({"data_root": data_root, "cohorts": sorted(there)})
    added, removed = there - known, known & before - there
    if not added and not removed:
        return dg.SensorResult(skip_reason="the cohorts are the same as before", cursor=cursor)
    return dg.SensorResult(
        dynamic_partitions_requests=[
            dg.AddDynamicPartitionsRequest(name, sorted(added)),
            dg.DeleteDynamicPartitionsRequest(name, sorted(removed)),
        ],
        cursor=cursor,
    )


def _cohorts_before(cursor: str | None, data_root: str) -> set[str]:
    try:
        before = json.loads(cursor or "{}")
    except ValueError:  # of an older version, which did not name the data root
        return set()
    return set(before["cohorts"]) if before.get("data_root") == data_root else set()


@dg.op(description="Removes the partitions of generations that no longer belong to a cohort.")
def prune_generations(
    context: dg.OpExecutionContext,
    gens_store: dg.ResourceParam[GensStoreWithTemplates],
    cohort_store: dg.ResourceParam[CohortStore],
    key_prefix: dg.ResourceParam[str],
) -> None:
    """Remove partitions of generations in this data root. The stored generations stay.

    Raises:
        dagster.Failure: No cohort is planned, or a membership cannot be read. Nothing was removed.
    """
    with as_failure(None, DaydreamingError):
        pipeline = cohort_store.read_pipeline()
        planned = cohort_store.list_planned_cohorts()
        memberships = [cohort_store.read_membership(cohort_id) for cohort_id in planned]
    if not planned:
        raise dg.Failure(
            "no cohort is planned, so every partition would be removed; make sure that the data "
            "root is mounted",
            allow_retries=False,
        )
    for stage in pipeline:
        kept = {gen_id for members in memberships for gen_id in members[stage]}
        name = partitions_name(stage, key_prefix)
        known = set(context.instance.get_dynamic_partitions(name))
        for gen_id in gens_store.list_generations(stage):
            if gen_id in known and gen_id not in kept:
                context.instance.delete_dynamic_partition(name, gen_id)


@dg.job(description="Removes the partitions of generations that no longer belong to a cohort.")
def prune_partitions() -> None:
    """Run `prune_generations`."""
    prune_generations()
