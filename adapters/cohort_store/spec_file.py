"""A cohort's specification as a YAML file, with lists that may stand in CSV files beside it."""

import os
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import yaml

from adapters.cohort_store.csv_rows import read_rows
from adapters.files_below_root import read_file
from daydreaming_dagster.domain.cohort.spec import CohortSpec, make_cohort_spec
from daydreaming_dagster.domain.documents import Problem
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.ports.errors import UnsafePathError

_MOST_VALUES: Final = 1_000_000


def read_spec_file(root: Path, path: Path) -> CohortSpec:
    """Return the specification of a cohort; mistakes in it are in its `problems`.

    Values may stand in CSV files in its folder (`@file:items.csv`). Paths that lead out of the
    folder are refused.

    Raises:
        CatalogError: There is no such file, or it is not YAML.
    """
    try:
        data = read_file(root, path)
    except FileNotFoundError:
        problem = "there is no such file; write it, or name another cohort"
        raise CatalogError(str(path), (problem,)) from None
    except (OSError, UnsafePathError) as error:
        raise CatalogError(str(path), (f"cannot be read: {error}",)) from None
    try:
        loader = _Loader(data)
        document = loader.get_single_data()
    except Exception as error:  # noqa: BLE001  PyYAML's constructors raise what a scalar makes them
        raise CatalogError(str(path), (f"not YAML: {error}",)) from None

    def read_columns(name: str, columns: Sequence[str]) -> list[list[str]]:
        return _columns_beside(root, path, name, columns)

    spec = make_cohort_spec(document, read_columns)
    return attrs.evolve(spec, problems=(*loader.repeated, *spec.problems))


class _Loader(yaml.SafeLoader):
    """Notes the keys that are there twice: YAML takes the last one and says nothing."""

    def __init__(self, stream: bytes) -> None:
        super().__init__(stream)
        self.repeated: list[Problem] = []

    def get_single_node(self) -> Any:
        node = super().get_single_node()
        _refuse_aliases_without_end(node)
        return node

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


def _columns_beside(
    root: Path, spec_file: Path, name: str, columns: Sequence[str]
) -> list[list[str]]:
    # Not resolved: a link in it is refused, wherever it leads.
    path = Path(os.path.normpath(spec_file.parent / name))
    if not path.is_relative_to(spec_file.parent) or path == spec_file.parent:
        raise CatalogError(name, (f"{name!r} is not a file in the folder of the specification",))
    problems: list[str] = []
    cells = [
        [row.cells[column] for column in columns]
        for row in read_rows(root, path, columns, problems)
    ]
    if problems:
        raise CatalogError(name, tuple(problems))
    return cells


def _refuse_aliases_without_end(node: Any) -> None:
    """Return where a document has at most `_MOST_VALUES` values once its aliases are expanded.

    Raises:
        ValueError: It has more, or an alias stands within what it names.
    """
    sizes: dict[int, int] = {}

    def size(node: Any) -> int:
        if id(node) not in sizes:
            sizes[id(node)] = _MOST_VALUES + 1  # until it is known, an alias to it is within it
            children = (
                [part for pair in node.value for part in pair]
                if isinstance(node, yaml.MappingNode)
                else node.value
                if isinstance(node, yaml.SequenceNode)
                else []
            )
            sizes[id(node)] = 1 + sum(map(size, children))
        return sizes[id(node)]

    if node is not None and size(node) > _MOST_VALUES:
        raise ValueError(f"its aliases expand to more than {_MOST_VALUES:,} values")
