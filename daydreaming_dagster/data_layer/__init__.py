"""The public names for storing generations: ports, layout, stores and errors.

Importing this loads no adapter. The stores `GensDataLayer` and `InMemoryGensStore` are loaded at
their first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.domain.generation.metadata import (
    GenerationMetadata,
    resolve_generation_metadata,
)
from daydreaming_dagster.installation import check_adapters
from daydreaming_dagster.ports.errors import (
    ArtifactError,
    ClaimsUnsupportedError,
    DataLayerError,
    InvalidIdError,
    InvalidMetadataError,
    LocksUnsupportedError,
    MalformedArtifactError,
    MissingArtifactError,
    MissingTemplateError,
    ReadOnlyStoreError,
    StorageUnavailableError,
    StorageUnreachableError,
    UnreadableArtifactError,
    UnsafePathError,
    UnstorableError,
)
from daydreaming_dagster.ports.gens_store import (
    Artifact,
    Capacity,
    Claim,
    Claims,
    GensStore,
    GensStoreWithTemplates,
    Templates,
    Versions,
)
from daydreaming_dagster.types import STAGES, JsonObject, JsonValue, Stage

if TYPE_CHECKING:
    from adapters.gens_store.in_memory import InMemoryGensStore
    from daydreaming_dagster.data_layer.gens_data_layer import GensDataLayer

__all__ = [
    "STAGES",
    "Artifact",
    "ArtifactError",
    "Capacity",
    "Claim",
    "Claims",
    "ClaimsUnsupportedError",
    "DataLayerError",
    "GenerationMetadata",
    "GensDataLayer",
    "GensStore",
    "GensStoreWithTemplates",
    "InMemoryGensStore",
    "InvalidIdError",
    "InvalidMetadataError",
    "JsonObject",
    "JsonValue",
    "LocksUnsupportedError",
    "MalformedArtifactError",
    "MissingArtifactError",
    "MissingTemplateError",
    "Paths",
    "ReadOnlyStoreError",
    "Stage",
    "StorageUnavailableError",
    "StorageUnreachableError",
    "Templates",
    "UnreadableArtifactError",
    "UnsafePathError",
    "UnstorableError",
    "Versions",
    "resolve_generation_metadata",
]

check_adapters()

# The adapters depend on this package, so it names them as strings and does not import them.
_ADAPTERS: Final = {
    "GensDataLayer": "daydreaming_dagster.data_layer.gens_data_layer",
    "InMemoryGensStore": "adapters.gens_store.in_memory",
}


def __getattr__(name: str) -> object:
    if name in _ADAPTERS:
        return getattr(import_module(_ADAPTERS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
