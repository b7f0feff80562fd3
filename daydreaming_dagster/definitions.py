"""What `dg` and `dagster dev` load. The data root is `DAYDREAM_DATA_ROOT`, or `data`."""

import os

from daydreaming_dagster.defs.build import build_definitions
from daydreaming_dagster.defs.resources import production_resources

defs = build_definitions(production_resources(os.environ.get("DAYDREAM_DATA_ROOT", "data")))
