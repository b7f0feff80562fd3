"""Cohorts in Dagster: planning, a run of all stages, results and report, as assets.

Each cohort is a partition. The sensor `discover_cohorts` adds one for each new specification, so a
new cohort needs no restart.
"""


# No `from __future__ import annotations` here: Dagster reads the annotations.

from typing import Any

import dagster as dg
from pydantic import Field

from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.defs.cohort_estimate import build_cohort_estimate
from daydreaming_dagster.defs.cohort_results import build_cohort_report, build_cohort_results
from daydreaming_dagster.defs.cohort_run import build_cohort_run
from daydreaming_dagster.defs.failures import as_failure
from daydreaming_dagster.defs.naming import asset_key, with_prefix
from daydreaming_dagster.defs.partitions import (
    OWNER,
    cohort_partitions,
    membership_version,
    register_partitions,
)
from daydreaming_dagster.defs.resources import resource_key, resources_of
from daydreaming_dagster.domain.stages import Pipeline
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.formatting import plural


class CohortPlanConfig(dg.Config):
    """How a cohort is planned."""

    allow_missing: bool = Field(
        False,
        description="Plan it though a description is missing, or a template uses none of its "
        "variables.",
    )


def build_cohort_membership(key_prefix: str = "") -> dg.AssetsDefinition:
    """Return the asset of the plans of cohorts."""

    @dg.asset(
        key=asset_key(key_prefix, "cohort_membership"),
        partitions_def=cohort_partitions(key_prefix),
        deps=[asset_key(key_prefix, "cohort_spec")],
        group_name=with_prefix(key_prefix, "cohort"),
        owners=[OWNER],
        kinds={"csv"},
        required_resource_keys={resource_key(key_prefix)},
        description=(
            "The generations of each cohort, `cohorts/<cohort_id>/membership.csv`. Materialize it "
            "to plan a cohort. It calls no model, and adds the generations to the stages' "
            "partitions."
        ),
    )
    def cohort_membership(
        context: dg.AssetExecutionContext, config: CohortPlanConfig
    ) -> dg.MaterializeResult[Any]:
        """Plan the cohort of the run's partition. Planning again changes nothing."""
        root = resources_of(context, key_prefix).root
        with as_failure(context, DaydreamingError):
            recorded = plan_cohort(
                root.store,
                root.cohorts,
                context.partition_key,
                allow_missing=config.allow_missing,
            )
        members = root.cohorts.read_membership(context.partition_key)
        register_partitions(context.instance, members, key_prefix)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(membership_version(members)),
            metadata={
                **{plural(stage): len(gen_ids) for stage, gen_ids in members.items()},
                "new": recorded.record.created,
                "stale": sum(map(len, recorded.stale.values())),
                "notices": dg.MetadataValue.md(
                    "\n".join(f"- {notice}" for notice in recorded.plan.notices)
                ),
            },
        )

    return cohort_membership


def build_cohort_assets(
    pipeline: Pipeline, key_prefix: str = "", pool: str | None = None
) -> list[dg.AssetSpec | dg.AssetsDefinition]:
    """Return the assets of cohorts of these stages."""
    spec = dg.AssetSpec(
        asset_key(key_prefix, "cohort_spec"),
        partitions_def=cohort_partitions(key_prefix),
        group_name=with_prefix(key_prefix, "cohort"),
        owners=[OWNER],
        kinds={"yaml"},
        description="What a cohort combines: its `cohorts/<cohort_id>/spec/config.yaml`.",
    )
    return [
        spec,
        build_cohort_membership(key_prefix),
        build_cohort_estimate(key_prefix),
        build_cohort_run(pipeline, key_prefix, pool),
        build_cohort_results(pipeline, key_prefix),
        build_cohort_report(key_prefix),
    ]
