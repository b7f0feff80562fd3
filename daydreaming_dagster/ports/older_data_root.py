"""The port for reading a data root of the older project, to import it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from daydreaming_dagster.ports.gens_store import GensStore

ReadTable = Callable[[str], list[list[str]]]
"""Returns the rows of the CSV file of that name, its header first, all cells stripped.

Raises `CatalogError` with all that is wrong with the file.
"""


class NotCarriedOver(NamedTuple):
    """Something in an older data root that an import leaves, and why."""

    place: str
    reason: str


class OlderSpec(NamedTuple):
    """A specification in the older language, and how to read the CSV files next to it."""

    location: str
    document: object
    read_table: ReadTable


class OlderDataRoot(Protocol):
    """Reads a data root of the older project. Never writes to it."""

    @property
    def generations(self) -> GensStore:
        """Its generations, which have the same artifacts."""
        ...

    def list_stages(self) -> Sequence[str]:
        """Return the stages that it has generations of, sorted."""
        ...

    def read_catalog_files(self, problems: list[NotCarriedOver]) -> Iterator[tuple[str, bytes]]:
        """Yield the name and contents of each file of the catalogs; note unreadable ones."""
        ...

    def read_combinations(self) -> list[dict[str, str]]:
        """Return the rows that say which concepts a `combo_id` stands for; none without a file.

        Raises:
            CatalogError: The file is malformed. Lists every mistake.
        """
        ...

    def list_memberships(self) -> Sequence[str]:
        """Return the names of the cohorts with a list of members, sorted."""
        ...

    def read_membership(self, cohort_id: str) -> list[Mapping[str, str]]:
        """Return the `stage` and `gen_id` of each member of a cohort, and `where` it is listed.

        Raises:
            CatalogError: The list is malformed.
        """
        ...

    def list_specs(self) -> Sequence[str]:
        """Return the names of the cohorts with a specification, sorted."""
        ...

    def read_spec(self, cohort_id: str) -> OlderSpec:
        """Return the specification of a cohort.

        Raises:
            CatalogError: It cannot be read, or two files define the cohort.
        """
        ...

    def list_unknown(self) -> Iterator[NotCarriedOver]:
        """Yield the files that no import reads."""
        ...
