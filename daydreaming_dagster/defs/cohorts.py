"""Cohorts in Dagster: from the specification to partitions, a run of all stages, and results.

A partition per cohort. The sensor `discover_cohorts` adds one for each specification that it
finds, so that a new cohort needs no restart.
"""

# No `from __future__ import annotations` here: Dagster reads the annotations.

from pathlib import Path
from typing import Any, Final

import dagster as dg

from adapters.experiment_files import list_cohorts, read_membership
from daydreaming_dagster.cohorts import record_cohort, tabulate_cohort
from daydreaming_dagster.data_layer.gens_store import GensStore
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.defs.failures import as_failure
from daydreaming_dagster.defs.launch import partitions_name, register_partitions, run_stage
from daydreaming_dagster.defs.partitions import COHORTS
from daydreaming_dagster.defs.resources import production_resources
from daydreaming_dagster.domain.language_model import LanguageModel
from daydreaming_dagster.domain.results import stage_status
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.types import STAGES, Stage

_SHOWN_ESSAYS: Final = 20

cohort_spec: Final = dg.AssetSpec(
    "cohort_spec",
    partitions_def=COHORTS,
    group_name="cohort",
    description="What to combine: `cohorts/<cohort_id>/spec/config.yaml`, the researcher's own.",
)


@dg.asset(
    partitions_def=COHORTS,
    deps=[cohort_spec],
    group_name="cohort",
    description="The generations of each cohort, planned and registered as partitions.",
)
def cohort_membership(
    context: dg.AssetExecutionContext, data_root: dg.ResourceParam[str]
) -> dg.MaterializeResult[Any]:
    """Plan the cohort that is the run's partition. Planning again changes nothing."""
    cohort_id = context.partition_key
    with as_failure(DaydreamingError):
        recorded = record_cohort(Path(data_root), cohort_id)
    members: dict[Stage, list[str]] = {stage: recorded.plan.gen_ids(stage) for stage in STAGES}
    register_partitions(context.instance, members)
    stale = recorded.stale
    return dg.MaterializeResult(
        metadata={
            **{f"{stage}s": len(gen_ids) for stage, gen_ids in members.items()},
            "new": recorded.record.created,
            "stale": 0 if stale is None else stale.direct.total() + stale.inherited.total(),
            "notices": dg.MetadataValue.md(
                "\n".join(f"- {notice}" for notice in recorded.plan.notices)
            ),
        }
    )


@dg.asset(
    partitions_def=COHORTS,
    deps=[cohort_membership],
    group_name="cohort",
    description="Materialize it to generate all that a cohort lacks: a run for each stage.",
)
def cohort_run(
    context: dg.AssetExecutionContext,
    data_root: dg.ResourceParam[str],
    gens_store: dg.ResourceParam[GensStore],
    language_model: dg.ResourceParam[LanguageModel],
) -> dg.MaterializeResult[Any]:
    """Run the stages of the cohort that is the run's partition, one after the other."""
    members = _members(data_root, context.partition_key)
    resources = {**production_resources(Path(data_root)), "language_model": language_model}
    register_partitions(context.instance, members)
    for stage in STAGES:
        todo = stage_status(gens_store, stage, members[stage]).todo
        run_stage(context.instance, resources, stage, todo)
    left = {stage: len(stage_status(gens_store, stage, members[stage]).todo) for stage in STAGES}
    if any(left.values()):
        counts = ", ".join(f"{count} {stage}s" for stage, count in left.items() if count)
        raise dg.Failure(
            f"not done: {counts}; the runs of these stages say why", allow_retries=False
        )
    return dg.MaterializeResult(
        metadata={f"{stage}s": len(gen_ids) for stage, gen_ids in members.items()}
    )


@dg.asset(
    partitions_def=COHORTS,
    deps=[dg.AssetDep("evaluation_parsed", partition_mapping=dg.AllPartitionMapping())],
    group_name="cohort",
    description="The ranking and tables of each cohort, in its folder `reports/`.",
)
def cohort_results(
    context: dg.AssetExecutionContext, data_root: dg.ResourceParam[str]
) -> dg.MaterializeResult[Any]:
    """Write the results of the cohort that is the run's partition."""
    cohort_id = context.partition_key
    with as_failure(DaydreamingError):
        tabulated = tabulate_cohort(Path(data_root), cohort_id)
    lines = ["| essay | combination | mean | scores |", "|---|---|---|---|"]
    for rank in tabulated.ranks[:_SHOWN_ESSAYS]:
        mean = "-" if rank.mean is None else f"{rank.mean:.2f}"
        scores = ", ".join(map(str, rank.scores))
        lines.append(f"| {rank.gen_id} | {rank.combo_id} | {mean} | {scores} |")
    return dg.MaterializeResult(
        metadata={
            "ranking": dg.MetadataValue.md("\n".join(lines)),
            "without_score": tabulated.tables.missing.height,
            "folder": dg.MetadataValue.path(str(tabulated.files[0].parent)),
        }
    )


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
    planned = [
        cohort_id
        for cohort_id in list_cohorts(paths)
        if paths.cohort_membership_csv(cohort_id).exists()
    ]
    memberships = [_members(data_root, cohort_id) for cohort_id in planned]
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


def _members(data_root: str, cohort_id: str) -> dict[Stage, list[str]]:
    with as_failure(DaydreamingError):
        return read_membership(Paths.from_str(data_root), cohort_id)


COHORT_ASSETS: Final[list[dg.AssetSpec | dg.AssetsDefinition]] = [
    cohort_spec,
    cohort_membership,
    cohort_run,
    cohort_results,
]
