"""Where generations are kept: the port, the layout, and the store on disk."""

from typing import TYPE_CHECKING

from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.domain.generation.metadata import (
    GenerationMetadata,
    resolve_generation_metadata,
)
from daydreaming_dagster.ports.gens_store import GensStore

if TYPE_CHECKING:
    from daydreaming_dagster.data_layer.gens_data_layer import GensDataLayer

__all__ = [
    "GenerationMetadata",
    "GensDataLayer",
    "GensStore",
    "Paths",
    "resolve_generation_metadata",
]


def __getattr__(name: str) -> object:
    # The adapter depends on this package, so this package may only name it, not import it.
    if name == "GensDataLayer":
        from daydreaming_dagster.data_layer.gens_data_layer import GensDataLayer

        return GensDataLayer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
