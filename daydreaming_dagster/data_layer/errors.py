"""What goes wrong in a store; defined beside the ports."""

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

__all__ = [
    "ArtifactError",
    "ClaimsUnsupportedError",
    "DataLayerError",
    "InvalidIdError",
    "InvalidMetadataError",
    "LocksUnsupportedError",
    "MalformedArtifactError",
    "MissingArtifactError",
    "MissingTemplateError",
    "ReadOnlyStoreError",
    "StorageUnavailableError",
    "StorageUnreachableError",
    "UnreadableArtifactError",
    "UnsafePathError",
    "UnstorableError",
]
