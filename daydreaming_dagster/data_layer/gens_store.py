"""The ports of a store, under the name that users of the data layer import."""

from daydreaming_dagster.ports.gens_store import (
    Artifact,
    Claim,
    Claims,
    GensStore,
    GensStoreWithTemplates,
    Templates,
    Versions,
)

__all__ = [
    "Artifact",
    "Claim",
    "Claims",
    "GensStore",
    "GensStoreWithTemplates",
    "Templates",
    "Versions",
]
