"""The code location, with the resources that a process has."""

from collections.abc import Mapping

import dagster as dg

from daydreaming_dagster.defs.assets import STAGE_ASSETS
from daydreaming_dagster.types import STAGES, Stage


def build_stage_definitions(resources: Mapping[str, object]) -> dg.Definitions:
    """Return the assets of all stages and a job for each stage."""
    return dg.Definitions(
        assets=list(STAGE_ASSETS.values()),
        jobs=[
            # A job has one partitions definition, so a cohort takes one run per stage.
            dg.define_asset_job(
                job_name(stage),
                selection=dg.AssetSelection.groups(stage),
                description=f"Generates {stage}s: prompts, raw answers, parsed texts.",
            )
            for stage in STAGES
        ],
        resources=resources,
    )


def job_name(stage: Stage) -> str:
    """Return the name of the job that generates a stage."""
    return f"generate_{stage}s"
