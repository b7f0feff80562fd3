"""The port, under the name that users of the data layer import."""

from daydreaming_dagster.ports.gens_store import Claim, GensStore

__all__ = ["Claim", "GensStore"]
