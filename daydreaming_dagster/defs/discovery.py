"""The sensor that finds cohorts, and the job that forgets generations without a cohort."""


# No `from __future__ import annotations` here: Dagster reads the annotations.

import dagster as dg

from daydreaming_dagster.defs.failures import as_failure
from daydreaming_dagster.defs.partitions import (
    COHORTS,
    partitions_name,
)
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.types import STAGES


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Adds a partition for each new cohort and removes those whose folder is gone.",
)
def discover_cohorts(
    context: dg.SensorEvaluationContext, cohort_store: dg.ResourceParam[CohortStore]
) -> dg.SensorResult | dg.SkipReason:
    """Request one partition for each cohort that has a specification."""
    known = set(context.instance.get_dynamic_partitions(COHORTS.name or ""))
    there = set(cohort_store.list_cohorts())
    if known == there:
        return dg.SkipReason("the cohorts are the same as before")
    return dg.SensorResult(
        dynamic_partitions_requests=[
            COHORTS.build_add_request(sorted(there - known)),
            COHORTS.build_delete_request(sorted(known - there)),
        ]
    )


@dg.op(description="Removes the partitions of generations that no longer belong to a cohort.")
def prune_generations(
    context: dg.OpExecutionContext, cohort_store: dg.ResourceParam[CohortStore]
) -> None:
    """Remove partitions. The stored generations stay."""
    with as_failure(DaydreamingError):
        planned = cohort_store.list_planned_cohorts()
        memberships = [cohort_store.read_membership(cohort_id) for cohort_id in planned]
    for stage in STAGES:
        kept = {gen_id for members in memberships for gen_id in members[stage]}
        name = partitions_name(stage)
        for gen_id in context.instance.get_dynamic_partitions(name):
            if gen_id not in kept:
                context.instance.delete_dynamic_partition(name, gen_id)


@dg.job(description="Removes the partitions of generations that no longer belong to a cohort.")
def prune_partitions() -> None:
    """Run `prune_generations`."""
    prune_generations()
