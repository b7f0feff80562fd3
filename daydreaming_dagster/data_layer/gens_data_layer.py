"""The store on disk under the name that users of the data layer import."""

from adapters.filesystem_gens_store import FilesystemGensStore as GensDataLayer
from daydreaming_dagster.data_layer.generation_metadata import (
    GenerationMetadata,
    resolve_generation_metadata,
)
from daydreaming_dagster.data_layer.gens_store import GensStore
from daydreaming_dagster.data_layer.paths import Paths

__all__ = [
    "GenerationMetadata",
    "GensDataLayer",
    "GensStore",
    "Paths",
    "resolve_generation_metadata",
]
