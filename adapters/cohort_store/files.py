"""Catalogs, cohorts and reports as files that a researcher writes and reads."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import PurePath, PurePosixPath

import attrs

from adapters.cohort_store.catalog_files import read_catalog
from adapters.cohort_store.concept_rows import with_other_id
from adapters.cohort_store.csv_rows import read_rows
from adapters.cohort_store.yaml_files import read_spec_file, read_stages_file, spec_as_yaml
from adapters.root_files.layout import LAYOUT, misnamed
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
from daydreaming_dagster.ports.errors import (
    InvalidIdError,
    StorageUnavailableError,
    UnsafePathError,
)
from daydreaming_dagster.ports.ids import are_ids, check_id, is_id
from daydreaming_dagster.ports.root_files import RootFiles
from daydreaming_dagster.types import Stage


@attrs.frozen
class FileCohortStore:
    """A `CohortStore` in the folders `1_raw` and `cohorts` of a data root.

    A file whose content would not change is not written. Every method that writes raises
    `OSError` where the storage refuses.
    """

    files: RootFiles

    def read_pipeline(self) -> Pipeline:
        return read_stages_file(self.files, LAYOUT.stages_yaml)

    def read_catalog(self) -> Catalog:
        return read_catalog(self.files.ahead(LAYOUT.raw_dir.as_posix()), self.read_pipeline())

    def rename_concept(self, concept_id: str, new_id: str) -> None:
        check_id("concept_id", new_id)
        name = LAYOUT.concepts_csv.as_posix()
        self.files.write(name, with_other_id(self.files.read(name), concept_id, new_id))

    def list_cohorts(self) -> list[str]:
        found = self.files.find((LAYOUT.cohorts_dir / "*/spec/config.yaml").as_posix())
        return sorted(filter(is_id, (name.split("/")[-3] for name in found)))

    def list_planned_cohorts(self) -> list[str]:
        found = self.files.find((LAYOUT.cohorts_dir / "*/membership.csv").as_posix())
        return sorted(filter(is_id, (name.split("/")[-2] for name in found)))

    def list_misnamed(self) -> list[str]:
        marks = ("spec/config.yaml", "membership.csv")
        return misnamed(self.files, LAYOUT.cohorts_dir.as_posix(), *marks)

    def delete_cohort(self, cohort_id: str) -> None:
        self.files.remove_folder(LAYOUT.cohort_dir(cohort_id).as_posix())

    def read_spec(self, cohort_id: str) -> CohortSpec:
        path = LAYOUT.cohort_spec_file(cohort_id)
        return read_spec_file(self.files, path, self.read_pipeline())

    def write_spec(self, cohort_id: str, spec: CohortSpec) -> None:
        name = LAYOUT.cohort_spec_file(cohort_id).as_posix()
        self.files.write(name, spec_as_yaml(spec).encode())

    def write_membership(self, cohort_id: str, members: Mapping[Stage, Sequence[str]]) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("stage", "gen_id"))
        for stage, gen_ids in members.items():
            writer.writerows((stage, gen_id) for gen_id in gen_ids)
        name = LAYOUT.cohort_membership_csv(cohort_id).as_posix()
        self.files.write(name, text.getvalue().encode())

    def read_membership(self, cohort_id: str) -> dict[Stage, list[str]]:
        path = LAYOUT.cohort_membership_csv(cohort_id)
        if not self.files.exists(path.as_posix()):
            known = self.list_cohorts()
            if cohort_id in known:
                raise CohortNotPlannedError(cohort_id)
            hint = suggestion(cohort_id, {*known, *self.list_planned_cohorts()})
            raise UnknownCohortError(cohort_id, hint)
        problems: list[str] = []
        pipeline = self.read_pipeline()
        members = self._as_written(path, pipeline)
        if members is not None:
            return members
        members = {stage: [] for stage in pipeline}
        for row in read_rows(self.files, path, ("stage", "gen_id"), problems):
            try:
                stage = pipeline[row.cells["stage"]].name
                members[stage].append(check_id("gen_id", row.cells["gen_id"]))
            except InvalidIdError as error:
                problems.append(f"{row.where}: {error}")
        if problems:
            raise CatalogError(self.files.locate(path.as_posix()), tuple(problems))
        return {stage: list(dict.fromkeys(gen_ids)) for stage, gen_ids in members.items()}

    def _as_written(self, path: PurePath, pipeline: Pipeline) -> dict[Stage, list[str]] | None:
        """Return the members in a file that is as `write_membership` writes it, else None.

        A million rows are read in a second; one by one, with what is wrong in each, it takes ten.
        """
        members: dict[Stage, dict[str, None]] = {stage: {} for stage in pipeline}
        try:
            header, *lines, end = self.files.read(path.as_posix()).decode("ascii").split("\n")
            for line in lines:
                stage, _, gen_id = line.partition(",")
                members[stage][gen_id] = None
        except StorageUnavailableError:
            raise
        except (OSError, ValueError, KeyError):  # UnsafePathError is a ValueError
            return None
        if header != "stage,gen_id" or end or not all(map(are_ids, members.values())):
            return None
        return {stage: list(gen_ids) for stage, gen_ids in members.items()}

    def write_manifest(self, cohort_id: str, manifest: Manifest) -> None:
        text = json.dumps(manifest.as_document(), indent=2, sort_keys=True)
        self.files.write(LAYOUT.cohort_manifest_json(cohort_id).as_posix(), f"{text}\n".encode())

    def read_manifest(self, cohort_id: str) -> Manifest | None:
        name = LAYOUT.cohort_manifest_json(cohort_id).as_posix()
        location = self.files.locate(name)
        try:
            document = json.loads(self.files.read(name))
        except FileNotFoundError:
            return None
        except StorageUnavailableError:  # deleting the file would not help
            raise
        except (OSError, UnsafePathError) as error:
            problem = f"cannot be read: {error}; delete it, and plan the cohort again"
            raise CatalogError(location, (problem,)) from None
        except (ValueError, RecursionError) as error:
            problem = f"not JSON: {error}; delete it, and plan the cohort again"
            raise CatalogError(location, (problem,)) from None
        return Manifest.from_document(document, location)

    def write_index(self, cohort_id: str, index: CohortIndex) -> None:
        name = LAYOUT.cohort_index_jsonl(cohort_id).as_posix()
        self.files.write(name, b"\n".join(index.as_lines()))

    def read_index(self, cohort_id: str) -> CohortIndex:
        name = LAYOUT.cohort_index_jsonl(cohort_id).as_posix()
        try:
            return CohortIndex.from_lines(self.files.read(name).split(b"\n"))
        except StorageUnavailableError:
            raise
        except (OSError, UnsafePathError):
            return CohortIndex()

    # Dagster may close the generators that hold locks in another thread.

    @contextmanager
    def hold(self, cohort_id: str) -> Iterator[None]:
        busy = CohortBusyError(cohort_id)
        with self.files.hold(LAYOUT.cohort_run_lock(cohort_id).as_posix(), busy):
            for part in self.files.list_locks(LAYOUT.cohort_part_locks_dir(cohort_id).as_posix()):
                with self.files.hold(part, busy):
                    pass
            yield

    def hold_part(self, cohort_id: str, number: int) -> AbstractContextManager[None]:
        name = LAYOUT.cohort_part_locks_dir(cohort_id) / str(number)
        return self.files.hold(name.as_posix(), CohortBusyError(cohort_id))

    def write_report_files(self, cohort_id: str, files: Mapping[str, bytes]) -> list[str]:
        return self._write_all(LAYOUT.cohort_reports_dir(cohort_id), files)

    def write_rating_files(self, cohort_id: str, files: Mapping[str, bytes]) -> list[str]:
        return self._write_all(LAYOUT.cohort_ratings_dir(cohort_id), files)

    def read_rating_files(self, cohort_id: str) -> dict[str, bytes]:
        folder = LAYOUT.cohort_ratings_dir(cohort_id)
        files: dict[str, bytes] = {}
        problems: list[str] = []
        for path in map(PurePosixPath, self.files.find((folder / "*").as_posix())):
            if is_rating_file(path.name):
                try:
                    files[path.name] = self.files.read(str(path))
                except StorageUnavailableError:
                    raise
                except (OSError, UnsafePathError) as error:
                    problems.append(f"{path.name} cannot be read: {error}")
        if problems:
            raise CatalogError(self.files.locate(folder.as_posix()), tuple(problems))
        return files

    def _write_all(self, folder: PurePath, files: Mapping[str, bytes]) -> list[str]:
        names = {name: (folder / name).as_posix() for name in files}
        for name, data in files.items():
            self.files.write(names[name], data)
        return [self.files.locate(name) for name in names.values()]
