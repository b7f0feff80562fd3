"""Which cohorts there are: the sensor that finds them, the job that forgets generations."""


# No `from __future__ import annotations` here: Dagster reads the annotations.

import dagster as dg

from adapters.cohort_store.cohort_files import list_cohorts, list_planned_cohorts
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.defs.cohorts import read_members
from daydreaming_dagster.defs.partitions import (
    COHORTS,
    partitions_name,
)
from daydreaming_dagster.types import STAGES


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Adds a partition for each new cohort and removes those whose folder is gone.",
)
def discover_cohorts(
    context: dg.SensorEvaluationContext, data_root: dg.ResourceParam[str]
) -> dg.SensorResult | dg.SkipReason:
    """Make the partitions of cohorts those that have a specification."""
    known = set(context.instance.get_dynamic_partitions(COHORTS.name or ""))
    there = set(list_cohorts(Paths.from_str(data_root)))
    if known == there:
        return dg.SkipReason(f"no other cohorts than before below {data_root}")
    return dg.SensorResult(
        dynamic_partitions_requests=[
            COHORTS.build_add_request(sorted(there - known)),
            COHORTS.build_delete_request(sorted(known - there)),
        ]
    )


@dg.op(description="Removes the partitions of generations that no cohort has any more.")
def prune_generations(context: dg.OpExecutionContext, data_root: dg.ResourceParam[str]) -> None:
    """Forget partitions. What is stored of the generations stays where it is."""
    paths = Paths.from_str(data_root)
    memberships = [read_members(data_root, cohort_id) for cohort_id in list_planned_cohorts(paths)]
    for stage in STAGES:
        kept = {gen_id for members in memberships for gen_id in members[stage]}
        name = partitions_name(stage)
        for gen_id in context.instance.get_dynamic_partitions(name):
            if gen_id not in kept:
                context.instance.delete_dynamic_partition(name, gen_id)


@dg.job(description="Removes the partitions of generations that no cohort has any more.")
def prune_partitions() -> None:
    """Run `prune_generations`."""
    prune_generations()
