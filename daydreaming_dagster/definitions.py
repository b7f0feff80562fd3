"""What `dg` and `dagster dev` load. The data root is `DAYDREAM_DATA_ROOT`, or `data`."""

import os
from pathlib import Path

import dagster as dg

from daydreaming_dagster.defs.build import build_stage_definitions
from daydreaming_dagster.defs.cohorts import COHORT_ASSETS, discover_cohorts, prune_partitions
from daydreaming_dagster.defs.resources import production_resources

_resources = production_resources(Path(os.environ.get("DAYDREAM_DATA_ROOT", "data")))

defs = dg.Definitions.merge(
    build_stage_definitions(_resources),
    dg.Definitions(
        assets=COHORT_ASSETS,
        sensors=[discover_cohorts],
        jobs=[prune_partitions],
        resources=_resources,
    ),
)
