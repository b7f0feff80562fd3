"""The port for the files of a data root, as bytes: to copy them in and out as they are."""

from collections.abc import Sequence
from typing import Protocol

from daydreaming_dagster.types import Stage


class RootFiles(Protocol):
    """Keeps files by name: the path below the data root, with `/` between its parts.

    A name that is absolute, or has an empty part, `.`, `..`, a backslash or a colon, is refused
    with `UnsafePathError` before any I/O. So is one that leads through a symbolic link.
    """

    def list_files(self, folder: str) -> Sequence[str]:
        """Return the names of all files below a folder, sorted; none if there is no such folder.

        Symbolic links and what is not a regular file are among them, and reading them is refused.
        """
        ...

    def catalog_files(self) -> Sequence[str]:
        """Return the names of the researcher's catalogs, templates and descriptions, sorted."""
        ...

    def cohort_files(self, cohort_id: str) -> Sequence[str]:
        """Return the names of what a cohort consists of, sorted: specification, plan, no reports.

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

    def create(self, name: str, data: bytes) -> bool:
        """Write a file in one step unless it exists; return whether it has these contents now.

        Raises:
            UnsafePathError: See the class.
            StorageUnavailableError: The file system is full.
            OSError: The file system refused.
        """
        ...
