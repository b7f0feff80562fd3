"""How often Python looks for objects that only refer to each other."""

import atexit
import gc
from typing import Final

_OBJECTS_BETWEEN_COLLECTIONS: Final = 50_000
"""Imports and runs create many objects and few cycles; Python's 700 cost a tenth of their time."""


def collect_seldom() -> None:
    """Let this process look for them seldom, and not when it ends: all that it imported is there.

    To be called before everything else is imported.
    """
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *gc.get_threshold()[1:])
    atexit.register(gc.freeze)
