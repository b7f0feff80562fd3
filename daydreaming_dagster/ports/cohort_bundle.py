"""The port for a cohort as one file that says which of its bytes changed."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from daydreaming_dagster.domain.checks.integrity import Finding


class CohortBundle(Protocol):
    """Keeps the files of a cohort, by their names in a data root, in one file."""

    def exists(self) -> bool:
        """Return whether there is something at the place of the bundle."""
        ...

    def write(self, cohort_id: str, contents: Iterable[tuple[str, bytes]]) -> None:
        """Write the bundle in one step, to survive a power cut.

        The same contents in the same order give the same bytes.

        Raises:
            OSError: The file system refused.
        """
        ...

    def verify(self) -> tuple[str, list[Finding]]:
        """Return the cohort of the bundle, and what is not as it was written.

        Raises:
            CatalogError: It is not a bundle, or of a newer version.
            OSError: The file system refused.
        """
        ...

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """Yield the files of a verified bundle: of generations, then of the cohort, then catalogs.

        Raises:
            CatalogError: It is not a bundle, or of a newer version.
            OSError: The file system refused.
        """
        ...
