"""The store on disk under the name that users of the data layer import."""

from adapters.gens_store.filesystem import FilesystemGensStore as GensDataLayer
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.domain.generation.metadata import (
    GenerationMetadata,
    resolve_generation_metadata,
)
from daydreaming_dagster.ports.gens_store import GensStore

__all__ = [
    "GenerationMetadata",
    "GensDataLayer",
    "GensStore",
    "Paths",
    "resolve_generation_metadata",
]
