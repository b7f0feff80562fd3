"""Reads a data root of the older project from its files."""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final

import attrs

from adapters.cohort_store.yaml_files import parse_yaml
from daydreaming_dagster.data_layer.paths import ARTIFACT_FILENAMES, GENS_DIRNAME, RAW_DIRNAME
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.ports.errors import UnsafePathError
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.ports.ids import is_id
from daydreaming_dagster.ports.older_data_root import NotCarriedOver, OlderSpec
from daydreaming_dagster.ports.root_files import RootFiles

_COHORTS: Final = "cohorts"
_MEMBERSHIP: Final = "membership.csv"
_SPECS: Final = ("specs/{}/config.yaml", "cohorts/{}/spec/config.yaml")
"""Where a cohort's specification may lie."""
_COMBINATIONS: Final = "combo_mappings.csv"
_COMBINATION_COLUMNS: Final = ("combo_id", "concept_id", "description_level")
_MEMBER_COLUMNS: Final = ("stage", "gen_id")


@attrs.frozen
class FilesOfOlderDataRoot:
    """An `OlderDataRoot` whose files `files` holds, and its generations `generations`."""

    files: RootFiles
    generations: GensStore

    def list_stages(self) -> list[str]:
        return sorted({parts[1] for parts in self._parts(GENS_DIRNAME) if len(parts) > 2})  # noqa: PLR2004  gens, stage, gen_id

    def read_catalog_files(self, problems: list[NotCarriedOver]) -> Iterator[tuple[str, bytes]]:
        for name in self.files.list_files(RAW_DIRNAME):
            try:
                yield name, self.files.read(name)
            except (OSError, UnsafePathError) as error:
                problems.append(NotCarriedOver(name, f"cannot be read: {error}"))

    def read_combinations(self) -> list[dict[str, str]]:
        # Older versions keep the file beside the other catalogs.
        for name in (_COMBINATIONS, f"{RAW_DIRNAME}/{_COMBINATIONS}"):
            if self.files.exists(name):
                return self._read_columns(name, _COMBINATION_COLUMNS)
        return []

    def list_memberships(self) -> list[str]:
        parts = self._parts(_COHORTS)
        return sorted(of_file[1] for of_file in parts if of_file[2:] == (_MEMBERSHIP,))

    def read_membership(self, cohort_id: str) -> list[Mapping[str, str]]:
        name = f"{_COHORTS}/{cohort_id}/{_MEMBERSHIP}"
        rows = self._read_columns(name, _MEMBER_COLUMNS)
        return [{**row, "where": f"{name}, row {i}"} for i, row in enumerate(rows, start=1)]

    def list_specs(self) -> list[str]:
        found = {
            of_file[1]
            for pattern in _SPECS
            for of_file in self._parts(pattern.partition("/")[0])
            if "/".join(of_file) == pattern.format(of_file[1])
        }
        return sorted(found)

    def read_spec(self, cohort_id: str) -> OlderSpec:
        names = [pattern.format(cohort_id) for pattern in _SPECS]
        there = [name for name in names if self.files.exists(name)]
        if len(there) > 1:
            raise CatalogError(there[1], (f"{there[0]} defines this cohort too",))
        (name,) = there
        try:
            document, repeated = parse_yaml(self.files.read(name), name)
        except (OSError, UnsafePathError) as error:
            raise CatalogError(name, (f"cannot be read: {error}",)) from None
        if repeated:
            raise CatalogError(name, tuple(map(str, repeated)))
        folder = PurePosixPath(name).parent
        return OlderSpec(name, document, lambda beside: self._read_table(str(folder / beside)))

    def list_unknown(self) -> Iterator[NotCarriedOver]:
        artifacts = set(ARTIFACT_FILENAMES.values())
        for parts in self._parts(GENS_DIRNAME):
            is_artifact = len(parts) == len(("gens", "stage", "gen_id", "file"))
            if not is_artifact or not is_id(parts[2]) or parts[3] not in artifacts:
                reason = "not an artifact of a generation"
                yield NotCarriedOver("/".join(parts), reason)
        read = {f"{_COHORTS}/{cohort_id}/{_MEMBERSHIP}" for cohort_id in self.list_memberships()}
        for parts in self._parts(_COHORTS):
            name = "/".join(parts)
            if name not in read and parts[2:3] != ("spec",):
                yield NotCarriedOver(name, "computed from generations; make it again")

    def _parts(self, folder: str) -> list[tuple[str, ...]]:
        return [tuple(name.split("/")) for name in self.files.list_files(folder)]

    def _read_columns(self, name: str, columns: tuple[str, ...]) -> list[dict[str, str]]:
        header, *rows = self._read_table(name)
        missing = [column for column in columns if column not in header]
        if missing:
            raise CatalogError(name, (f"line 1: no column {', '.join(missing)}",))
        return [{column: row[header.index(column)] for column in columns} for row in rows]

    def _read_table(self, name: str) -> list[list[str]]:
        try:
            text = self.files.read(name).decode("utf-8-sig")
            rows = csv.reader(io.StringIO(text, newline=""), strict=True)
            table = [[cell.strip() for cell in row] for row in rows if row]
        except (OSError, UnsafePathError, UnicodeDecodeError, csv.Error) as error:
            raise CatalogError(name, (f"{name} cannot be read: {error}",)) from None
        wrong = [i for i, row in enumerate(table, start=1) if len(row) != len(table[0])]
        if not table or wrong:
            reason = f"row {wrong[0]} has not as many cells as the header" if wrong else "empty"
            raise CatalogError(name, (f"{name}: {reason}",))
        return table
