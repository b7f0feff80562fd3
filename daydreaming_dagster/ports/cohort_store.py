"""The port through which use cases read what a researcher wrote, and keep what they make of it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.checks.integrity import Finding
from daydreaming_dagster.domain.cohort.index import CohortIndex
from daydreaming_dagster.domain.cohort.manifest import Manifest
from daydreaming_dagster.domain.cohort.spec import CohortSpec
from daydreaming_dagster.types import Stage


class CohortStore(Protocol):
    """Keeps catalogs, specifications, and what was planned and reported of each cohort.

    `daydreaming_dagster.testing` checks what every adapter guarantees:

    - Each `write_*` replaces one document in one step.
    - A cohort_id that is not a safe name (`ports.ids.check_id`) raises `InvalidIdError` before
      any I/O.
    """

    def read_catalog(self) -> Catalog:
        """Return the catalogs as they are now.

        Raises:
            CatalogError: They are missing or malformed. Lists every problem.
        """
        ...

    def list_cohorts(self) -> list[str]:
        """Return the ids of the cohorts that have a specification, sorted."""
        ...

    def list_planned_cohorts(self) -> list[str]:
        """Return the ids of the cohorts that are planned, sorted."""
        ...

    def read_spec(self, cohort_id: str) -> CohortSpec:
        """Return a cohort's specification; mistakes in it are in its `problems`.

        Raises:
            CatalogError: There is none, or it cannot be read at all.
        """
        ...

    def write_membership(self, cohort_id: str, members: Mapping[Stage, Sequence[str]]) -> None:
        """Keep which generations a cohort has, by stage, in planned order."""
        ...

    def read_membership(self, cohort_id: str) -> dict[Stage, list[str]]:
        """Return the gen_ids of a cohort by stage, in planned order, each once.

        Raises:
            CohortNotPlannedError: Nothing was written yet.
            CatalogError: What was written is malformed.
        """
        ...

    def write_manifest(self, cohort_id: str, manifest: Manifest) -> None:
        """Keep what a cohort was planned from."""
        ...

    def read_manifest(self, cohort_id: str) -> Manifest | None:
        """Return what a cohort was last planned from, None before the first plan.

        Raises:
            CatalogError: What was written is not a manifest of this or an earlier version.
        """
        ...

    def write_index(self, cohort_id: str, index: CohortIndex) -> None:
        """Keep what was seen of a cohort's generations.

        Raises:
            OSError: It could not be written. The index only saves reading.
        """
        ...

    def read_index(self, cohort_id: str) -> CohortIndex:
        """Return what was last seen; an empty index where nothing readable is kept."""
        ...

    def hold(self, cohort_id: str) -> AbstractContextManager[None]:
        """Keep others from running the cohort while the block does; ends with the process.

        Raises:
            CohortBusyError: Another run holds the cohort.
        """
        ...

    def write_report_files(self, cohort_id: str, files: Mapping[str, bytes]) -> list[str]:
        """Replace files of a cohort's reports, each in one step, and return where they are."""
        ...


class StorageInspection(Protocol):
    """What only the storage itself can tell: leftovers of writes, and what does not belong."""

    def inspect_root(self) -> Iterator[Finding]:
        """Yield what is wrong beside the generations."""
        ...

    def inspect_generation(self, stage: Stage, gen_id: str) -> Iterator[Finding]:
        """Yield what does not belong to a generation where it is kept."""
        ...

    def remove_leftovers(self, findings: Sequence[Finding]) -> list[str]:
        """Delete the leftovers of interrupted writes among the findings; return their subjects."""
        ...
