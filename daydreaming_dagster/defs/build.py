"""Dagster's code location."""

from collections.abc import Mapping

import dagster as dg

from daydreaming_dagster.defs.assets import STAGE_ASSETS
from daydreaming_dagster.defs.cohorts import COHORT_ASSETS
from daydreaming_dagster.defs.discovery import discover_cohorts, prune_partitions
from daydreaming_dagster.defs.naming import asset_key, rename_assets
from daydreaming_dagster.types import STAGES


def build_definitions(resources: Mapping[str, object], *, key_prefix: str = "") -> dg.Definitions:
    """Return all assets, jobs and sensors, with these resources.

    `key_prefix` is that of the assets and the partitions definitions, for a Dagster instance that
    shows several data roots: `ideas`, or `team/ideas`.
    """
    return dg.Definitions(
        assets=rename_assets([*STAGE_ASSETS.values(), *COHORT_ASSETS], key_prefix),
        jobs=[
            # A job has one partitions definition, so each stage has its own job.
            *(
                dg.define_asset_job(
                    f"generate_{stage}s",
                    selection=dg.AssetSelection.groups(stage),
                    description=f"Generates {stage}s: prompts, raw answers, parsed texts.",
                )
                for stage in STAGES
            ),
            dg.define_asset_job(
                "run_cohort",
                selection=[asset_key(key_prefix, "cohort_run")],
                description="Generates everything that a cohort lacks, in all stages.",
            ),
            prune_partitions,
        ],
        sensors=[discover_cohorts],
        resources={**resources, "key_prefix": key_prefix},
    )
