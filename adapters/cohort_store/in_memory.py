"""Catalogs and cohorts in dicts, for fast tests."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import attrs

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.index import CohortIndex
from daydreaming_dagster.domain.cohort.manifest import Manifest
from daydreaming_dagster.domain.cohort.spec import CohortSpec
from daydreaming_dagster.domain.documents import suggestion
from daydreaming_dagster.domain.errors import (
    CatalogError,
    CohortBusyError,
    CohortNotPlannedError,
    UnknownCohortError,
)
from daydreaming_dagster.domain.people.rating_files import is_rating_file
from daydreaming_dagster.domain.stages import Pipeline
from daydreaming_dagster.ports.ids import check_id, check_stage
from daydreaming_dagster.types import Stage


def _check(cohort_id: str) -> str:
    return check_id("cohort_id", cohort_id)


@attrs.define(eq=False)
class InMemoryCohortStore:
    """A `CohortStore` that keeps its documents in memory.

    `catalog` and `specs` (by cohort_id) stand for the researcher's files. A test may change them.
    `reports` holds the bytes of report files by `cohort_id/name`, and `ratings` those of ratings.
    """

    catalog: Catalog
    specs: dict[str, CohortSpec]
    reports: dict[str, bytes] = attrs.field(factory=dict, init=False, repr=False)
    ratings: dict[str, bytes] = attrs.field(factory=dict, init=False, repr=False)
    _members: dict[str, dict[Stage, list[str]]] = attrs.field(factory=dict, init=False)
    # As JSON, so that reads share no objects with writes.
    _manifests: dict[str, str] = attrs.field(factory=dict, init=False, repr=False)
    _indexes: dict[str, list[bytes]] = attrs.field(factory=dict, init=False, repr=False)
    _held: dict[tuple[str, int | None], object] = attrs.field(factory=dict, init=False, repr=False)

    def read_pipeline(self) -> Pipeline:
        return self.catalog.pipeline

    def read_catalog(self) -> Catalog:
        return self.catalog

    def rename_concept(self, concept_id: str, new_id: str) -> None:
        renamed = "" if new_id == concept_id else check_id("concept_id", new_id)
        concept = attrs.evolve(self.catalog.concepts[concept_id], renamed=renamed)
        concepts = {**self.catalog.concepts, concept_id: concept}
        self.catalog = attrs.evolve(self.catalog, concepts=concepts)

    def list_cohorts(self) -> list[str]:
        return sorted(self.specs)

    def list_planned_cohorts(self) -> list[str]:
        return sorted(self._members)

    def list_misnamed(self) -> list[str]:
        return []

    def delete_cohort(self, cohort_id: str) -> None:
        for documents in (self.specs, self._members, self._manifests, self._indexes):
            documents.pop(_check(cohort_id), None)
        for files in (self.reports, self.ratings):
            for name in [name for name in files if name.startswith(f"{cohort_id}/")]:
                del files[name]

    def read_spec(self, cohort_id: str) -> CohortSpec:
        if _check(cohort_id) not in self.specs:
            problem = "there is no such specification; write it, or name another one"
            raise CatalogError(f"memory:{cohort_id}", (problem,))
        return self.specs[cohort_id]

    def write_spec(self, cohort_id: str, spec: CohortSpec) -> None:
        self.specs[_check(cohort_id)] = spec

    def write_membership(self, cohort_id: str, members: Mapping[Stage, Sequence[str]]) -> None:
        self._members[_check(cohort_id)] = {
            check_stage(stage): list(dict.fromkeys(gen_ids)) for stage, gen_ids in members.items()
        }

    def read_membership(self, cohort_id: str) -> dict[Stage, list[str]]:
        if _check(cohort_id) not in self._members:
            if cohort_id in self.specs:
                raise CohortNotPlannedError(cohort_id)
            raise UnknownCohortError(
                cohort_id, suggestion(cohort_id, {*self.specs, *self._members})
            )
        members = self._members[cohort_id]
        unknown = [
            stage
            for stage, gen_ids in members.items()
            if gen_ids and stage not in self.catalog.pipeline
        ]
        if unknown:
            problem = f"there is no stage {unknown[0]!r} any more; plan the cohort again"
            raise CatalogError(f"memory:{cohort_id}", (problem,))
        return {stage: list(members.get(stage, ())) for stage in self.catalog.pipeline}

    def write_manifest(self, cohort_id: str, manifest: Manifest) -> None:
        self._manifests[_check(cohort_id)] = json.dumps(manifest.as_document())

    def read_manifest(self, cohort_id: str) -> Manifest | None:
        text = self._manifests.get(_check(cohort_id))
        location = f"memory:{cohort_id}"
        return None if text is None else Manifest.from_document(json.loads(text), location)

    def write_index(self, cohort_id: str, index: CohortIndex) -> None:
        self._indexes[_check(cohort_id)] = list(index.as_lines())

    def read_index(self, cohort_id: str) -> CohortIndex:
        return CohortIndex.from_lines(self._indexes.get(_check(cohort_id), []))

    @contextmanager
    def hold(self, cohort_id: str) -> Iterator[None]:
        holder = object()
        # setdefault is one step: of two threads, only one gets its own holder back.
        if self._held.setdefault((_check(cohort_id), None), holder) is not holder:
            raise CohortBusyError(cohort_id)
        try:
            if any(held == cohort_id and part is not None for held, part in list(self._held)):
                raise CohortBusyError(cohort_id)
            yield
        finally:
            del self._held[cohort_id, None]

    @contextmanager
    def hold_part(self, cohort_id: str, number: int) -> Iterator[None]:
        holder = object()
        if self._held.setdefault((_check(cohort_id), number), holder) is not holder:
            raise CohortBusyError(cohort_id)
        try:
            yield
        finally:
            del self._held[cohort_id, number]

    def write_report_files(self, cohort_id: str, files: Mapping[str, bytes]) -> list[str]:
        written = {f"{_check(cohort_id)}/{name}": data for name, data in files.items()}
        self.reports |= written
        return [f"memory:{name}" for name in written]

    def write_rating_files(self, cohort_id: str, files: Mapping[str, bytes]) -> list[str]:
        written = {f"{_check(cohort_id)}/{name}": data for name, data in files.items()}
        self.ratings |= written
        return [f"memory:{name}" for name in written]

    def read_rating_files(self, cohort_id: str) -> dict[str, bytes]:
        folder = f"{_check(cohort_id)}/"
        return {
            name.removeprefix(folder): data
            for name, data in sorted(self.ratings.items())
            if name.startswith(folder) and is_rating_file(name.removeprefix(folder))
        }
