"""The adapters behind the ports of `daydreaming_dagster`."""

from adapters.gens_store.filesystem import FilesystemGensStore, UnsyncedFilesystemGensStore
from adapters.gens_store.in_memory import InMemoryGensStore
from adapters.gens_store.read_only import ReadOnlyGensStore

__all__ = [
    "FilesystemGensStore",
    "InMemoryGensStore",
    "ReadOnlyGensStore",
    "UnsyncedFilesystemGensStore",
]
