"""Dagster's definitions of a data root."""

from pathlib import Path

import dagster as dg

from daydreaming_dagster.bootstrap import check_key_prefix, open_data_root
from daydreaming_dagster.defs.assets import build_stage_asset
from daydreaming_dagster.defs.cohort_schedule import build_completing
from daydreaming_dagster.defs.cohorts import build_cohort_assets
from daydreaming_dagster.defs.curation import build_deletion_jobs
from daydreaming_dagster.defs.discovery import build_cohort_sensor, build_prune_partitions
from daydreaming_dagster.defs.loop_schedule import build_dreaming, build_loop_sensor
from daydreaming_dagster.defs.loops import DREAM_ROUND, build_loop_assets
from daydreaming_dagster.defs.naming import asset_key, local_name, with_prefix
from daydreaming_dagster.defs.resources import DataRootResource, RunResources, resource_key
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.domain.stages import Pipeline
from daydreaming_dagster.formatting import plural
from daydreaming_dagster.locations import absolute_location


def define_data_root(
    data_root: str | Path,
    *,
    key_prefix: str = "",
    concurrency: int | None = None,
    pool: str | None = None,
    max_cost_per_night: float | None = None,
) -> dg.Definitions:
    """Return the definitions of a data root, with its stages and the endpoint in the environment.

    `key_prefix` begins the names of everything in them, such as `ideas` or `team/ideas`. With a
    prefix each, the definitions of several data roots, and your own, can be merged
    (`dagster.Definitions.merge`) or share a Dagster instance. `concurrency` is that of
    `DataRootResource`. `pool` is the concurrency pool of the steps that call models, by default
    `model_calls` with the prefix. `max_cost_per_night` limits what the schedule `completing` may
    spend on each cohort in a night, in USD.

    Raises:
        SetupError: Nothing opens data roots of this URL, or the prefix is not made of names.
        CatalogError: The file of stages is wrong.
    """
    check_key_prefix(key_prefix, "key_prefix")
    pipeline = open_data_root(data_root).cohorts.read_pipeline()
    resource = DataRootResource(location=absolute_location(data_root), concurrency=concurrency)
    return build_definitions(
        resource,
        pipeline,
        key_prefix=key_prefix,
        pool=pool or local_name(key_prefix, "model_calls"),
        max_cost_per_night=max_cost_per_night,
    )


def build_definitions(
    resource: DataRootResource | RunResources | dg.ResourceDefinition,
    pipeline: Pipeline = SHIPPED,
    *,
    key_prefix: str = "",
    pool: str | None = None,
    max_cost_per_night: float | None = None,
) -> dg.Definitions:
    """Return all assets, jobs, schedules and sensors of these stages.

    The resource is, or makes, the `RunResources` of a data root. For the others, see
    `define_data_root`.
    """
    return dg.Definitions(
        assets=[
            *(build_stage_asset(pipeline, stage, key_prefix, pool) for stage in pipeline),
            *build_cohort_assets(pipeline, key_prefix, pool),
            *build_loop_assets(pipeline, key_prefix, pool),
        ],
        jobs=[
            # A job has one partitions definition, so each stage has its own job.
            *(
                dg.define_asset_job(
                    local_name(key_prefix, f"generate_{plural(stage)}"),
                    selection=dg.AssetSelection.groups(with_prefix(key_prefix, stage)),
                    description=f"Generates {plural(stage)}: prompts, raw answers, parsed texts.",
                )
                for stage in pipeline
            ),
            dg.define_asset_job(
                local_name(key_prefix, "run_cohort"),
                selection=[asset_key(key_prefix, "cohort_run")],
                description="Generates everything that a cohort lacks, in all stages.",
            ),
            dg.define_asset_job(
                local_name(key_prefix, "dream"),
                selection=[asset_key(key_prefix, DREAM_ROUND)],
                description="Makes rounds of a loop.",
            ),
            build_prune_partitions(key_prefix),
            *build_deletion_jobs(key_prefix),
        ],
        schedules=[build_completing(key_prefix, max_cost_per_night), build_dreaming(key_prefix)],
        sensors=[build_cohort_sensor(key_prefix), build_loop_sensor(key_prefix)],
        resources={resource_key(key_prefix): resource},
    )
