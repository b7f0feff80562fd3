"""The port for the records of batches that wait for their answers."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from daydreaming_dagster.types import JsonObject


class BatchStore(Protocol):
    """Keeps a JSON document for each batch of a data root, by its name.

    Every adapter guarantees:

    - A name that is not safe (`ports.ids.check_id`) raises `InvalidIdError` before any I/O.
    - A document is replaced in one step, and is on the device when the call returns: what it says
      decides whether questions are paid for again.
    - `read_batches` sees what any process has written.
    """

    def read_batches(self) -> Mapping[str, JsonObject]:
        """Return all documents by name, sorted. The caller must not change them.

        Raises:
            MalformedArtifactError: A document is not a JSON object.
        """
        ...

    def write_batch(self, name: str, document: JsonObject) -> None:
        """Store a document.

        Raises:
            StorageUnavailableError: Nothing can be stored.
            OSError: The file system refused.
        """
        ...

    def delete_batch(self, name: str) -> None:
        """Delete a document if it exists.

        Raises:
            OSError: The file system refused.
        """
        ...

    def hold(self) -> AbstractContextManager[None]:
        """Wait until no other process holds the records, and hold them for the block.

        Raises:
            LocksUnsupportedError: The file system has no locks.
        """
        ...
