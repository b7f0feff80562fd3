"""Dagster's code location."""

from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from daydreaming_dagster.bootstrap import open_data_root
from daydreaming_dagster.defs.assets import build_stage_asset
from daydreaming_dagster.defs.cohorts import build_cohort_assets
from daydreaming_dagster.defs.curation import delete_cohort_job, prune_orphans_job
from daydreaming_dagster.defs.discovery import discover_cohorts, prune_partitions
from daydreaming_dagster.defs.loop_schedule import discover_loops, dreaming
from daydreaming_dagster.defs.loops import DREAM_ROUND, build_loop_assets
from daydreaming_dagster.defs.naming import asset_key, rename_assets
from daydreaming_dagster.defs.resources import production_resources
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.domain.stages import Pipeline
from daydreaming_dagster.formatting import plural


def define_data_root(data_root: str | Path, *, key_prefix: str = "") -> dg.Definitions:
    """Return the definitions of a data root, with its stages and the endpoint in the environment.

    Raises:
        SetupError: Nothing opens data roots of this URL.
        CatalogError: The file of stages is wrong.
    """
    pipeline = open_data_root(data_root).cohorts.read_pipeline()
    return build_definitions(production_resources(data_root), pipeline, key_prefix=key_prefix)


def build_definitions(
    resources: Mapping[str, object], pipeline: Pipeline = SHIPPED, *, key_prefix: str = ""
) -> dg.Definitions:
    """Return all assets, jobs, schedules and sensors of these stages, with these resources.

    `key_prefix` is that of the assets and the partitions definitions, for a Dagster instance that
    shows several data roots: `ideas`, or `team/ideas`.
    """
    assets = [
        *(build_stage_asset(pipeline, stage) for stage in pipeline),
        *build_cohort_assets(pipeline),
        *build_loop_assets(pipeline),
    ]
    return dg.Definitions(
        assets=rename_assets(assets, key_prefix),
        jobs=[
            # A job has one partitions definition, so each stage has its own job.
            *(
                dg.define_asset_job(
                    f"generate_{plural(stage)}",
                    selection=dg.AssetSelection.groups(stage),
                    description=f"Generates {plural(stage)}: prompts, raw answers, parsed texts.",
                )
                for stage in pipeline
            ),
            dg.define_asset_job(
                "run_cohort",
                selection=[asset_key(key_prefix, "cohort_run")],
                description="Generates everything that a cohort lacks, in all stages.",
            ),
            dg.define_asset_job(
                "dream",
                selection=[asset_key(key_prefix, DREAM_ROUND)],
                description="Makes rounds of a loop.",
            ),
            prune_partitions,
            delete_cohort_job,
            prune_orphans_job,
        ],
        schedules=[dreaming],
        sensors=[discover_cohorts, discover_loops],
        resources={"batches": None, **resources, "key_prefix": key_prefix},
    )
