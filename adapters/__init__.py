"""The adapters behind the ports of `daydreaming_dagster`."""

from adapters.filesystem_gens_store import FilesystemGensStore, UnsyncedFilesystemGensStore
from adapters.in_memory_gens_store import InMemoryGensStore
from adapters.read_only_gens_store import ReadOnlyGensStore

__all__ = [
    "FilesystemGensStore",
    "InMemoryGensStore",
    "ReadOnlyGensStore",
    "UnsyncedFilesystemGensStore",
]
