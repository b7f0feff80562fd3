"""`dg dev` and `dagster dev` load this module. Add assets of your own here."""

import os
from pathlib import Path

os.environ.setdefault("DAYDREAM_DATA_ROOT", str(Path(__file__).parents[1]))

from daydreaming_dagster.definitions import defs

__all__ = ["defs"]
