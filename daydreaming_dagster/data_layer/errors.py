"""What goes wrong in a store; defined beside the ports."""

from daydreaming_dagster.ports.errors import (
    DataLayerError,
    InvalidIdError,
    InvalidMetadataError,
    LocksUnsupportedError,
    MalformedArtifactError,
    MissingArtifactError,
    MissingTemplateError,
    ReadOnlyStoreError,
    StorageUnavailableError,
    UnreadableArtifactError,
    UnsafePathError,
    UnstorableError,
)

__all__ = [
    "DataLayerError",
    "InvalidIdError",
    "InvalidMetadataError",
    "LocksUnsupportedError",
    "MalformedArtifactError",
    "MissingArtifactError",
    "MissingTemplateError",
    "ReadOnlyStoreError",
    "StorageUnavailableError",
    "UnreadableArtifactError",
    "UnsafePathError",
    "UnstorableError",
]
