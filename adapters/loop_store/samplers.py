"""Finds samplers: the built-in ones, and those of installed packages."""

from collections.abc import Collection
from typing import Final

from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.loop.registry import SAMPLERS
from daydreaming_dagster.domain.loop.sampler import PairSampler

SAMPLER_GROUP: Final = "daydreaming_dagster.samplers"
"""The group of entry points that are samplers of installed packages.

Each is a `daydreaming_dagster.domain.loop.sampler.PairSampler`. Specifications use the name of the
entry point. Built-in names are reserved.
"""


def sampler_names() -> Collection[str]:
    """Return the names of all samplers. Loads none."""
    from importlib.metadata import entry_points  # slow to import, and most commands know no loop

    return SAMPLERS.keys() | entry_points(group=SAMPLER_GROUP).names


def load_sampler(name: str) -> PairSampler:
    """Return the sampler of that name.

    Raises:
        CatalogError: There is none, or its package does not load.
    """
    if name in SAMPLERS:
        return SAMPLERS[name]
    from importlib.metadata import entry_points

    for entry_point in entry_points(group=SAMPLER_GROUP, name=name):
        try:
            loaded: PairSampler = entry_point.load()
        except Exception as error:
            problem = f"{name!r} ({entry_point.value}) does not load: {error!r}"
            raise CatalogError("the samplers", (problem,)) from error
        return loaded
    raise CatalogError("the samplers", (f"there is no sampler {name!r}",))
