"""What `dg` and `dagster dev` load. The data root is `DAYDREAM_DATA_ROOT`, or `data`."""

import logging
import os
from pathlib import Path

import dagster as dg

from daydreaming_dagster.bootstrap import key_prefix
from daydreaming_dagster.defs.build import define_data_root
from daydreaming_dagster.defs.executors import executor_from_environment
from daydreaming_dagster.locations import absolute_location

_DATA_ROOT = absolute_location(os.environ.get("DAYDREAM_DATA_ROOT") or "data")

for here in (Path.cwd(), Path.cwd() / "data"):
    if (here / "1_raw").is_dir() and str(here) != _DATA_ROOT:
        logging.getLogger(__name__).warning(
            "Dagster shows the data root %s, not %s: DAYDREAM_DATA_ROOT names it", _DATA_ROOT, here
        )

defs = dg.Definitions.merge(
    define_data_root(_DATA_ROOT, key_prefix=key_prefix()),
    dg.Definitions(executor=executor_from_environment()),
)
