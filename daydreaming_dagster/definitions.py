"""What `dg` and `dagster dev` load. The data root is `DAYDREAM_DATA_ROOT`, or `data`."""

import logging
import os
from pathlib import Path

from daydreaming_dagster.bootstrap import absolute_location, key_prefix, open_data_root
from daydreaming_dagster.defs.build import build_definitions
from daydreaming_dagster.defs.resources import production_resources

_DATA_ROOT = absolute_location(os.environ.get("DAYDREAM_DATA_ROOT", "data"))

for here in (Path.cwd(), Path.cwd() / "data"):
    if (here / "1_raw").is_dir() and str(here) != _DATA_ROOT:
        logging.getLogger(__name__).warning(
            "Dagster shows the data root %s, not %s: DAYDREAM_DATA_ROOT names it", _DATA_ROOT, here
        )

defs = build_definitions(
    production_resources(_DATA_ROOT),
    open_data_root(_DATA_ROOT).cohorts.read_pipeline(),
    key_prefix=key_prefix(),
)
