"""The port for the files of a data root, as bytes. Catalogs, cohorts and loops are kept in them."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol, Self

from daydreaming_dagster.types import Stage


class RootFiles(Protocol):
    """Keeps files by name: the path below the data root, with `/` between its parts.

    A name that is absolute, or has an empty part, `.`, `..`, a backslash or a colon, is refused
    with `UnsafePathError` before any I/O. So is one that leads through a symbolic link.
    """

    def locate(self, name: str) -> str:
        """Return the path or URL of a file or folder, for display, whether or not it exists."""
        ...

    def exists(self, name: str) -> bool:
        """Return whether there is such a file."""
        ...

    def find(self, pattern: str) -> Sequence[str]:
        """Return the names that match a pattern, sorted.

        `*` stands for any characters within a part of a name. The first part has none.
        """
        ...

    def ahead(self, folder: str) -> Self:
        """Return a view that has read the files below a folder; itself where reading is fast."""
        ...

    def list_files(self, folder: str) -> Sequence[str]:
        """Return the names of all files below a folder, sorted; none if there is no such folder.

        Symbolic links and what is not a regular file are among them, and reading them is refused.
        """
        ...

    def catalog_files(self) -> Sequence[str]:
        """Return the names of the researcher's catalogs, templates and descriptions, sorted."""
        ...

    def cohort_files(self, cohort_id: str) -> Sequence[str]:
        """Return the names of all files of a cohort that cannot be made again, sorted.

        So neither its reports nor its index are among them, but what people wrote is.

        Raises:
            InvalidIdError: The cohort_id is not a safe name.
        """
        ...

    def generation_files(self, stage: Stage, gen_id: str) -> Sequence[str]:
        """Return the names of the artifacts of a generation, sorted.

        Raises:
            InvalidIdError: The stage or gen_id is not a safe name.
        """
        ...

    def read(self, name: str) -> bytes:
        """Return the contents of a file.

        Raises:
            FileNotFoundError: There is no such file.
            UnsafePathError: See the class.
            OSError: The file system refused.
        """
        ...

    def write(self, name: str, data: bytes) -> None:
        """Replace a file in one step. One that is already identical may be left alone.

        Raises:
            UnsafePathError: See the class.
            StorageUnavailableError: Nothing can be stored.
            OSError: The storage refused this file.
        """
        ...

    def record(self, name: str, data: bytes) -> bool:
        """Write a new file in one step, to survive a power cut; return False if the name is taken.

        Raises:
            UnsafePathError: See the class.
            StorageUnavailableError: Nothing can be stored.
            OSError: The storage refused this file.
        """
        ...

    def remove(self, name: str) -> None:
        """Delete a file, if it exists.

        Raises:
            UnsafePathError: See the class.
            OSError: The storage refused.
        """
        ...

    def remove_folder(self, folder: str) -> None:
        """Delete a folder with all that is in it, if it exists.

        Raises:
            UnsafePathError: See the class.
            OSError: The storage refused.
        """
        ...

    def hold(self, name: str, busy: Exception) -> AbstractContextManager[None]:
        """Lock a name for the block, which may end in another thread. Ends with the process.

        Raises:
            Exception: `busy`, if another process or thread holds it.
            UnsafePathError: See the class.
            StorageUnavailableError: The storage has no locks, or fails.
        """
        ...

    def list_locks(self, folder: str) -> Sequence[str]:
        """Return the names below a folder that are held, and those that once were, sorted."""
        ...

    def create(self, name: str, data: bytes) -> bool:
        """Write a file in one step unless it exists; return whether it has these contents now.

        Raises:
            UnsafePathError: See the class.
            StorageUnavailableError: The file system is full.
            OSError: The file system refused.
        """
        ...

    def swap(self, name: str, before: bytes | None, after: bytes) -> bool:
        """Replace the contents `before` of a file in one step; for None, write a new file.

        Returns False, and changes nothing, if the file has other contents. Of several processes
        that replace the same contents by different ones, one succeeds (compare-and-swap).

        Raises:
            UnsafePathError: See the class.
            StorageUnavailableError: The storage has no locks or conditional writes, or fails.
            OSError: The storage refused this file.
        """
        ...
