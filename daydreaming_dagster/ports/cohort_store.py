"""The port for a researcher's catalogs and specifications, and for plans and reports of cohorts."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.checks.integrity import Finding
from daydreaming_dagster.domain.cohort.index import CohortIndex
from daydreaming_dagster.domain.cohort.manifest import Manifest
from daydreaming_dagster.domain.cohort.spec import CohortSpec
from daydreaming_dagster.domain.stages import Pipeline
from daydreaming_dagster.types import Stage


class CohortStore(Protocol):
    """Keeps catalogs and specifications, and the plan and reports of each cohort.

    `daydreaming_dagster.testing` checks what every adapter guarantees:

    - Each `write_*` replaces one document in one step.
    - A cohort_id that is not a safe name (`ports.ids.check_id`) raises `InvalidIdError` before
      any I/O.
    """

    def read_pipeline(self) -> Pipeline:
        """Return the stages as they are now: those that the researcher names, or the shipped ones.

        Raises:
            CatalogError: They are malformed. Lists every problem.
        """
        ...

    def read_catalog(self) -> Catalog:
        """Return the catalogs as they are now.

        Raises:
            CatalogError: They are missing or malformed. Lists every problem.
        """
        ...

    def rename_concept(self, concept_id: str, new_id: str) -> None:
        """Give the researcher's concept of this `ConceptEntry.concept_id` another id, in one step.

        The catalog that is read then has it with this id as `renamed`.

        Raises:
            OSError: The storage refused.
        """
        ...

    def list_cohorts(self) -> list[str]:
        """Return the ids of the cohorts that have a specification, sorted."""
        ...

    def list_planned_cohorts(self) -> list[str]:
        """Return the ids of the cohorts whose members are known, sorted.

        One that was imported may have no specification.
        """
        ...

    def list_misnamed(self) -> list[str]:
        """Return, sorted, where cohorts lie whose names are no ids, so that no command finds them.

        A program that shows files or buckets can give a folder any name, or move it.
        """
        ...

    def delete_cohort(self, cohort_id: str) -> None:
        """Delete all that is kept of a cohort but its generations, in one step, if it exists.

        Raises:
            OSError: The storage refused.
        """
        ...

    def read_spec(self, cohort_id: str) -> CohortSpec:
        """Return a cohort's specification. Its `problems` list the mistakes in it.

        Raises:
            CatalogError: The specification is missing, or cannot be read at all.
        """
        ...

    def write_spec(self, cohort_id: str, spec: CohortSpec) -> None:
        """Store the specification of a cohort that a loop makes; `read_spec` returns it equal."""
        ...

    def write_membership(self, cohort_id: str, members: Mapping[Stage, Sequence[str]]) -> None:
        """Store the generations of a cohort by stage, in planned order."""
        ...

    def read_membership(self, cohort_id: str) -> dict[Stage, list[str]]:
        """Return the gen_ids of a cohort by stage of the pipeline, in planned order, each once.

        Raises:
            CohortNotPlannedError: The cohort was not planned yet.
            CatalogError: The stored list is malformed, or names a stage that the pipeline lacks.
        """
        ...

    def write_manifest(self, cohort_id: str, manifest: Manifest) -> None:
        """Store the digests of the inputs that a cohort was planned from."""
        ...

    def read_manifest(self, cohort_id: str) -> Manifest | None:
        """Return the digests of the last plan's inputs, or None before the first plan.

        Raises:
            CatalogError: The stored document is not a manifest of this or an earlier version.
        """
        ...

    def write_index(self, cohort_id: str, index: CohortIndex) -> None:
        """Store what was found about a cohort's generations.

        Raises:
            OSError: It could not be written. The index is only a cache.
        """
        ...

    def read_index(self, cohort_id: str) -> CohortIndex:
        """Return the stored index, or an empty one if it is missing or unreadable."""
        ...

    def hold(self, cohort_id: str) -> AbstractContextManager[None]:
        """Lock the cohort for the block, so that no other run starts. Ends with the process.

        Raises:
            CohortBusyError: Another run holds the cohort, or a part of it.
        """
        ...

    def hold_part(self, cohort_id: str, number: int) -> AbstractContextManager[None]:
        """Lock a part of the cohort for the block, for one of several workers of a run.

        The lock of the whole cohort does not exclude this one: the run has it only between parts.

        Raises:
            CohortBusyError: Another worker holds the part.
        """
        ...

    def write_report_files(self, cohort_id: str, files: Mapping[str, bytes]) -> list[str]:
        """Replace files of a cohort's reports, each in one step, and return their locations."""
        ...

    def write_rating_files(self, cohort_id: str, files: Mapping[str, bytes]) -> list[str]:
        """Replace files beside a cohort's ratings, each in one step, and return their locations."""
        ...

    def read_rating_files(self, cohort_id: str) -> Mapping[str, bytes]:
        """Return a cohort's files of ratings and keys, see `domain.people.rating_files`, by name.

        Raises:
            CatalogError: One of them cannot be read. Lists every problem.
        """
        ...


class StorageInspection(Protocol):
    """Finds what only the storage itself can tell: leftovers of writes and unknown files."""

    def inspect_root(self, stages: Collection[Stage] | None = None) -> Iterator[Finding]:
        """Yield the findings outside of generations; those of other stages than these are some.

        None means that nobody knows the stages.
        """
        ...

    def inspect_generation(self, stage: Stage, gen_id: str) -> Iterator[Finding]:
        """Yield the findings inside the storage of a generation."""
        ...

    def remove_leftovers(self, findings: Sequence[Finding]) -> list[str]:
        """Delete the leftovers of interrupted writes among the findings; return their subjects."""
        ...
