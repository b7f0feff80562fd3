"""Catalogs, cohorts and reports as files that a researcher writes and reads."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import attrs

from adapters.cohort_store.catalog_files import read_catalog
from adapters.cohort_store.concept_rows import with_other_id
from adapters.cohort_store.csv_rows import read_rows
from adapters.cohort_store.yaml_files import read_spec_file, read_stages_file, spec_as_yaml
from adapters.file_lock import held
from adapters.files_below_root import read_file, refuse_links, write_file
from adapters.folder_removal import DELETED_PREFIX, remove_folder
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.index import CohortIndex
from daydreaming_dagster.domain.cohort.manifest import Manifest
from daydreaming_dagster.domain.cohort.spec import CohortSpec
from daydreaming_dagster.domain.errors import CatalogError, CohortBusyError, CohortNotPlannedError
from daydreaming_dagster.domain.stages import Pipeline
from daydreaming_dagster.ports.errors import InvalidIdError, UnsafePathError
from daydreaming_dagster.ports.ids import check_id, is_id
from daydreaming_dagster.types import Stage


def _as_paths(root: Paths | Path | str) -> Paths:
    return root if isinstance(root, Paths) else Paths.from_str(root)


@attrs.frozen
class FilesystemCohortStore:
    """A `CohortStore` in the folders `1_raw` and `cohorts` of a data root.

    A file whose content would not change is not written. Every method that writes raises
    `OSError` where the file system refuses.
    """

    paths: Paths = attrs.field(converter=_as_paths)

    @property
    def _root(self) -> Path:
        return self.paths.data_root

    def read_pipeline(self) -> Pipeline:
        return read_stages_file(self._root, self.paths.stages_yaml)

    def read_catalog(self) -> Catalog:
        return read_catalog(self.paths, self.read_pipeline())

    def rename_concept(self, concept_id: str, new_id: str) -> None:
        check_id("concept_id", new_id)
        path = self.paths.concepts_csv
        data = read_file(self._root, path)
        write_file(self._root, path, with_other_id(data, concept_id, new_id))

    def list_cohorts(self) -> list[str]:
        found = (path.parts[-3] for path in self.paths.cohorts_dir.glob("*/spec/config.yaml"))
        return sorted(name for name in found if not name.startswith(DELETED_PREFIX))

    def list_planned_cohorts(self) -> list[str]:
        found = (path.parent.name for path in self.paths.cohorts_dir.glob("*/membership.csv"))
        return sorted(filter(is_id, found))

    def delete_cohort(self, cohort_id: str) -> None:
        folder = self.paths.cohort_dir(cohort_id)
        refuse_links(self._root, folder)
        remove_folder(folder)

    def read_spec(self, cohort_id: str) -> CohortSpec:
        path = self.paths.cohort_spec_file(cohort_id)
        return read_spec_file(self._root, path, self.read_pipeline())

    def write_spec(self, cohort_id: str, spec: CohortSpec) -> None:
        path = self.paths.cohort_spec_file(cohort_id)
        write_file(self._root, path, spec_as_yaml(spec).encode())

    def write_membership(self, cohort_id: str, members: Mapping[Stage, Sequence[str]]) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("stage", "gen_id"))
        for stage, gen_ids in members.items():
            writer.writerows((stage, gen_id) for gen_id in gen_ids)
        write_file(
            self._root, self.paths.cohort_membership_csv(cohort_id), text.getvalue().encode()
        )

    def read_membership(self, cohort_id: str) -> dict[Stage, list[str]]:
        path = self.paths.cohort_membership_csv(cohort_id)
        if not path.exists():
            raise CohortNotPlannedError(cohort_id)
        problems: list[str] = []
        pipeline = self.read_pipeline()
        members: dict[Stage, list[str]] = {stage: [] for stage in pipeline}
        for row in read_rows(self._root, path, ("stage", "gen_id"), problems):
            try:
                stage = pipeline[row.cells["stage"]].name
                members[stage].append(check_id("gen_id", row.cells["gen_id"]))
            except InvalidIdError as error:
                problems.append(f"{row.where}: {error}")
        if problems:
            raise CatalogError(str(path), tuple(problems))
        return {stage: list(dict.fromkeys(gen_ids)) for stage, gen_ids in members.items()}

    def write_manifest(self, cohort_id: str, manifest: Manifest) -> None:
        text = json.dumps(manifest.as_document(), indent=2, sort_keys=True)
        write_file(self._root, self.paths.cohort_manifest_json(cohort_id), f"{text}\n".encode())

    def read_manifest(self, cohort_id: str) -> Manifest | None:
        path = self.paths.cohort_manifest_json(cohort_id)
        try:
            document = json.loads(read_file(self._root, path))
        except FileNotFoundError:
            return None
        except (OSError, UnsafePathError) as error:
            problem = f"cannot be read: {error}; delete it, and plan the cohort again"
            raise CatalogError(str(path), (problem,)) from None
        except (ValueError, RecursionError) as error:
            problem = f"not JSON: {error}; delete it, and plan the cohort again"
            raise CatalogError(str(path), (problem,)) from None
        return Manifest.from_document(document, str(path))

    def write_index(self, cohort_id: str, index: CohortIndex) -> None:
        text = json.dumps(index.as_document())
        write_file(self._root, self.paths.cohort_index_json(cohort_id), text.encode())

    def read_index(self, cohort_id: str) -> CohortIndex:
        path = self.paths.cohort_index_json(cohort_id)
        try:
            return CohortIndex.from_document(json.loads(read_file(self._root, path)))
        except (OSError, ValueError, RecursionError):  # UnsafePathError is a ValueError
            return CohortIndex()

    def hold(self, cohort_id: str) -> AbstractContextManager[None]:
        # Dagster may close the generator that holds the lock in another thread.
        path = self.paths.cohort_run_lock(cohort_id)
        return held(self._root, path, CohortBusyError(cohort_id))

    def write_report_files(self, cohort_id: str, files: Mapping[str, bytes]) -> list[str]:
        folder = self.paths.cohort_reports_dir(cohort_id)
        for name, data in files.items():
            write_file(self._root, folder / name, data)
        return [str(folder / name) for name in files]

    def write_rating_files(self, cohort_id: str, files: Mapping[str, bytes]) -> list[str]:
        folder = self.paths.cohort_ratings_dir(cohort_id)
        for name, data in files.items():
            write_file(self._root, folder / name, data)
        return [str(folder / name) for name in files]

    def read_rating_files(self, cohort_id: str) -> dict[str, bytes]:
        folder = self.paths.cohort_ratings_dir(cohort_id)
        files: dict[str, bytes] = {}
        problems: list[str] = []
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            # A name that begins with a dot is an interrupted write, or a spreadsheet's lock.
            if path.suffix.lower() in {".csv", ".json"} and not path.name.startswith("."):
                try:
                    files[path.name] = read_file(self._root, path)
                except (OSError, UnsafePathError) as error:
                    problems.append(f"{path.name} cannot be read: {error}")
        if problems:
            raise CatalogError(str(folder), tuple(problems))
        return files
