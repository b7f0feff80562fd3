"""A cohort's specification as a YAML file, with lists that may stand in CSV files beside it."""

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import attrs
import yaml

from adapters.cohort_store.csv_rows import read_rows
from daydreaming_dagster.domain.cohort.spec import CohortSpec, make_cohort_spec
from daydreaming_dagster.domain.documents import Problem
from daydreaming_dagster.domain.errors import CatalogError


def read_spec_file(path: Path) -> CohortSpec:
    """Return the specification of a cohort; mistakes in it are in its `problems`.

    Values may stand in CSV files in its folder (`@file:items.csv`). Paths that lead out of the
    folder are refused.

    Raises:
        CatalogError: There is no such file, or it is not YAML.
    """
    try:
        loader = _Loader(path.read_bytes())
        document = loader.get_single_data()
    except FileNotFoundError:
        problem = "there is no such file; write it, or name another cohort"
        raise CatalogError(str(path), (problem,)) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise CatalogError(str(path), (f"not YAML: {error}",)) from None

    def read_columns(name: str, columns: Sequence[str]) -> list[list[str]]:
        return _columns_beside(path, name, columns)

    spec = make_cohort_spec(document, read_columns)
    return attrs.evolve(spec, problems=(*loader.repeated, *spec.problems))


class _Loader(yaml.SafeLoader):
    """Notes the keys that are there twice: YAML takes the last one and says nothing."""

    def __init__(self, stream: bytes) -> None:
        super().__init__(stream)
        self.repeated: list[Problem] = []

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002  as PyYAML has it
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, _value in node.value:
                if not isinstance(key.value, str):  # a list or mapping, which PyYAML refuses
                    continue
                if key.value in seen:
                    line = key.start_mark.line + 1
                    self.repeated.append(Problem((key.value,), f"line {line}: there again"))
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _columns_beside(spec_file: Path, name: str, columns: Sequence[str]) -> list[list[str]]:
    folder = spec_file.parent.resolve()
    path = (folder / name).resolve()
    if not path.is_relative_to(folder) or path == folder:
        raise CatalogError(name, (f"{name!r} is no file in the folder of the specification",))
    problems: list[str] = []
    cells = [
        [row.cells[column] for column in columns] for row in read_rows(path, columns, problems)
    ]
    if problems:
        raise CatalogError(name, tuple(problems))
    return cells
