"""What `dg dev` and `dagster dev` load in this folder: its assets, and your own if you add them."""

import os
from pathlib import Path

os.environ.setdefault("DAYDREAM_DATA_ROOT", str(Path(__file__).parents[1]))

from daydreaming_dagster.definitions import defs

__all__ = ["defs"]
