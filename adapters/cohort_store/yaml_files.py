"""Reads YAML: the stages, and cohorts' specifications with lists from CSV files next to them."""

import os
from collections.abc import Hashable, Sequence
from pathlib import PurePath
from typing import Any, Final

import attrs
import yaml

from adapters.cohort_store.csv_rows import read_rows
from daydreaming_dagster.domain.cohort.spec import CohortSpec, ReadColumns, make_cohort_spec
from daydreaming_dagster.domain.documents import Problem
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.domain.stages import Pipeline
from daydreaming_dagster.domain.stages_document import make_pipeline
from daydreaming_dagster.ports.errors import StorageUnavailableError, UnsafePathError
from daydreaming_dagster.ports.root_files import RootFiles

_MOST_VALUES: Final = 1_000_000


def read_spec_file(files: RootFiles, path: PurePath, pipeline: Pipeline) -> CohortSpec:
    """Return the specification of a cohort. Its `problems` list the mistakes in it.

    Values may come from CSV files in its folder (`@file:items.csv`). Paths out of the folder are
    refused.

    Raises:
        CatalogError: The file does not exist, cannot be read, or is not YAML.
    """
    document, read_columns, repeated = read_spec_document(files, path)
    spec = make_cohort_spec(document, read_columns, pipeline)
    return attrs.evolve(spec, problems=(*repeated, *spec.problems))


def read_spec_document(
    files: RootFiles, path: PurePath
) -> tuple[object, ReadColumns, Sequence[Problem]]:
    """Return a YAML document, how to read CSV files next to it, and its duplicate keys.

    Raises:
        CatalogError: The file does not exist, cannot be read, or is not YAML.
    """
    try:
        document, repeated = _read_yaml(files, path)
    except FileNotFoundError:
        problem = "there is no such file; write it, or name another one"
        raise CatalogError(files.locate(path.as_posix()), (problem,)) from None

    def read_columns(name: str, columns: Sequence[str]) -> list[list[str]]:
        return _columns_beside(files, path, name, columns)

    return document, read_columns, repeated


def spec_as_yaml(spec: CohortSpec) -> str:
    """Return the document of a specification without problems."""
    document = attrs.asdict(spec, filter=lambda _field, value: value not in (None, [], {}, ()))
    text: str = yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
    return text


def read_stages_file(files: RootFiles, path: PurePath) -> Pipeline:
    """Return the stages that the file names; the shipped ones if there is no file.

    Raises:
        CatalogError: The file cannot be read, is not YAML, or describes no valid pipeline.
    """
    try:
        document, repeated = _read_yaml(files, path)
    except FileNotFoundError:
        return SHIPPED
    location = files.locate(path.as_posix())
    if repeated:
        raise CatalogError(location, tuple(map(str, repeated)))
    return make_pipeline(document, location, SHIPPED)


def _read_yaml(files: RootFiles, path: PurePath) -> tuple[object, Sequence[Problem]]:
    """Return the document in a file, and the keys that it repeats.

    Raises:
        FileNotFoundError: There is no such file.
        CatalogError: It cannot be read, or is not YAML.
    """
    location = files.locate(path.as_posix())
    try:
        data = files.read(path.as_posix())
    except (FileNotFoundError, StorageUnavailableError):
        raise
    except (OSError, UnsafePathError) as error:
        raise CatalogError(location, (f"cannot be read: {error}",)) from None
    return parse_yaml(data, location)


def parse_yaml(data: bytes, location: str) -> tuple[object, Sequence[Problem]]:
    """Return the document in the bytes of a YAML file, and the keys that it repeats.

    Raises:
        CatalogError: It is not YAML.
    """
    try:
        loader = _Loader(data)
        return loader.get_single_data(), loader.repeated
    except Exception as error:  # noqa: BLE001  PyYAML's constructors raise any error for a bad scalar
        raise CatalogError(location, (f"not YAML: {error}",)) from None


class _Loader(yaml.SafeLoader):
    """Notes duplicate keys. YAML would silently use the last one."""

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
                if not isinstance(key.value, str):  # a list or mapping; PyYAML refuses it
                    continue
                if key.value in seen:
                    line = key.start_mark.line + 1
                    self.repeated.append(Problem((key.value,), f"line {line}: duplicate key"))
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _columns_beside(
    files: RootFiles, spec_file: PurePath, name: str, columns: Sequence[str]
) -> list[list[str]]:
    # Not resolved, so that a link is refused wherever it leads.
    path = PurePath(os.path.normpath(spec_file.parent / name))
    if not path.is_relative_to(spec_file.parent) or path == spec_file.parent:
        raise CatalogError(name, (f"{name!r} is not a file in the folder of the specification",))
    problems: list[str] = []
    cells = [
        [row.cells[column] for column in columns]
        for row in read_rows(files, path, columns, problems)
    ]
    if problems:
        raise CatalogError(name, tuple(problems))
    return cells


def _refuse_aliases_without_end(node: Any) -> None:
    """Check that a document has at most `_MOST_VALUES` values after its aliases are expanded.

    Raises:
        ValueError: It has more, or an alias contains itself.
    """
    sizes: dict[int, int] = {}

    def size(node: Any) -> int:
        if id(node) not in sizes:
            sizes[id(node)] = (
                _MOST_VALUES + 1
            )  # while it is unknown, an alias to it contains itself
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
