"""A cohort's own files in a data root: specification, membership, manifest, index."""

import csv
import io
import json
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import yaml
from filelock import FileLock, Timeout

from adapters.atomic_write import replace_file
from adapters.cohort_store.csv_rows import read_rows
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.domain.cohort.index import CohortIndex
from daydreaming_dagster.domain.cohort.manifest import Manifest
from daydreaming_dagster.domain.cohort.planning import CohortPlan
from daydreaming_dagster.domain.cohort.spec import CohortSpec, make_cohort_spec
from daydreaming_dagster.domain.documents import Problem
from daydreaming_dagster.domain.errors import CatalogError, CohortBusyError
from daydreaming_dagster.ports.errors import InvalidIdError
from daydreaming_dagster.ports.ids import check_id, check_stage, is_id
from daydreaming_dagster.types import STAGES, Stage


def read_cohort_spec(paths: Paths, cohort_id: str) -> CohortSpec:
    """Return the specification of a cohort; mistakes in it are in its `problems`.

    Values may stand in CSV files in its folder (`@file:items.csv`). Paths that lead out of the
    folder are refused.

    Raises:
        CatalogError: There is no such file, or it is no YAML.
        InvalidIdError: `cohort_id` is none.
    """
    path = paths.cohort_spec_file(cohort_id)
    try:
        loader = _Loader(path.read_bytes())
        document = loader.get_single_data()
    except FileNotFoundError:
        problem = f"cohort {cohort_id!r} has no such file; write it, or name another cohort"
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
            seen: set[object] = set()
            for key, _value in node.value:
                if key.value in seen:
                    line = key.start_mark.line + 1
                    self.repeated.append(Problem((str(key.value),), f"line {line}: there again"))
                if isinstance(key.value, str):
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


def write_membership(paths: Paths, plan: CohortPlan) -> None:
    """Write the `stage,gen_id` rows of a cohort, unless they are there as they should be."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("stage", "gen_id"))
    writer.writerows((planned.stage, planned.gen_id) for planned in plan.generations)
    replace_file(paths.cohort_membership_csv(plan.cohort_id), text.getvalue().encode())


def read_membership(paths: Paths, cohort_id: str) -> dict[Stage, list[str]]:
    """Return the gen_ids of a cohort by stage, in planned order, each once.

    Raises:
        CatalogError: The cohort was not planned yet, or the file is malformed.
        InvalidIdError: `cohort_id` is none.
    """
    path = paths.cohort_membership_csv(cohort_id)
    if not path.exists():
        problem = f"cohort {cohort_id!r} is not planned yet; run: daydream plan {cohort_id}"
        raise CatalogError(str(path), (problem,))
    problems: list[str] = []
    members: dict[Stage, list[str]] = {stage: [] for stage in STAGES}
    for row in read_rows(path, ("stage", "gen_id"), problems):
        try:
            stage = check_stage(row.cells["stage"])
            members[stage].append(check_id("gen_id", row.cells["gen_id"]))
        except InvalidIdError as error:
            problems.append(f"{row.where}: {error}")
    if problems:
        raise CatalogError(str(path), tuple(problems))
    return {stage: list(dict.fromkeys(gen_ids)) for stage, gen_ids in members.items()}


@contextmanager
def hold_cohort(paths: Paths, cohort_id: str) -> Iterator[None]:
    """Keep other processes of this machine from running a cohort while the block does.

    The system lets go of it when this process ends, however it does.

    Raises:
        CohortBusyError: Another process runs it.
        OSError: The lock file in the cohort's folder cannot be made.
    """
    # Dagster may close the generator that holds it in another thread.
    lock = FileLock(paths.cohort_run_lock(cohort_id), blocking=False, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise CohortBusyError(cohort_id) from None
    try:
        yield
    finally:
        lock.release()


def write_manifest(paths: Paths, plan: CohortPlan) -> None:
    """Write what a plan was made from, unless it is there as it should be.

    Last of all that planning writes: until then the next plan still compares with what the
    previous one was made from.
    """
    text = json.dumps(plan.manifest.as_document(), indent=2, sort_keys=True)
    replace_file(paths.cohort_manifest_json(plan.cohort_id), f"{text}\n".encode())


def read_manifest(paths: Paths, cohort_id: str) -> Manifest | None:
    """Return what a cohort was last planned from, None where it was not yet.

    Raises:
        CatalogError: The file is no manifest.
        InvalidIdError: `cohort_id` is none.
    """
    path = paths.cohort_manifest_json(cohort_id)
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        problem = f"not JSON: {error}; delete it, and plan the cohort again"
        raise CatalogError(str(path), (problem,)) from None
    return Manifest.from_document(document, str(path))


def write_cohort_index(paths: Paths, cohort_id: str, index: CohortIndex) -> None:
    """Write what was seen of a cohort's generations, unless it is there.

    Raises:
        OSError: The file system refused.
        InvalidIdError: `cohort_id` is none.
    """
    replace_file(paths.cohort_index_json(cohort_id), json.dumps(index.as_document()).encode())


def read_cohort_index(paths: Paths, cohort_id: str) -> CohortIndex:
    """Return what was seen of a cohort's generations, an empty index where there is none.

    It only saves reading: a file that is damaged counts as none.

    Raises:
        InvalidIdError: `cohort_id` is none.
    """
    path = paths.cohort_index_json(cohort_id)
    try:
        return CohortIndex.from_document(json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError):
        return CohortIndex()


def list_cohorts(paths: Paths) -> list[str]:
    """Return the ids of the cohorts that have a specification, sorted."""
    return sorted(path.parts[-3] for path in paths.cohorts_dir.glob("*/spec/config.yaml"))


def list_planned_cohorts(paths: Paths) -> list[str]:
    """Return the ids of those that are planned. A folder that is named by no id cannot be."""
    return [
        cohort_id
        for cohort_id in list_cohorts(paths)
        if is_id(cohort_id) and paths.cohort_membership_csv(cohort_id).exists()
    ]
