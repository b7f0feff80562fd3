"""The researcher's own files in a data root: catalogs, cohort specifications, memberships."""

import csv
import io
import json
import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import yaml
from filelock import FileLock, Timeout

from adapters.atomic_write import write_atomically
from daydreaming_dagster.data_layer.errors import InvalidIdError
from daydreaming_dagster.data_layer.ids import check_id, check_stage, is_id
from daydreaming_dagster.data_layer.paths import DESCRIPTIONS_PREFIX, Paths
from daydreaming_dagster.domain.catalog import (
    Catalog,
    ConceptEntry,
    ModelEntry,
    ModelLimits,
    TemplateEntry,
)
from daydreaming_dagster.domain.cohort_index import CohortIndex
from daydreaming_dagster.domain.cohort_spec import CohortSpec, make_cohort_spec
from daydreaming_dagster.domain.errors import CatalogError, CohortBusyError
from daydreaming_dagster.domain.manifest import Manifest
from daydreaming_dagster.domain.parsers import DEFAULT_MAXIMUM, PARSERS, Parser
from daydreaming_dagster.domain.planning import CohortPlan
from daydreaming_dagster.domain.structuring import Problem
from daydreaming_dagster.types import STAGES, Stage

if TYPE_CHECKING:  # polars takes 0.3 s to import
    from daydreaming_dagster.domain.result_tables import ResultTables

PARSER_GROUP: Final = "daydreaming_dagster.parsers"
"""The entry points `daydreaming_dagster.parsers.<stage>` are parsers of installed packages.

Each is a function as `daydreaming_dagster.domain.parsers.Parser` says. Catalogs name it as the
entry point is named; the built-in names cannot be taken.
"""


def read_catalog(paths: Paths) -> Catalog:
    """Return the catalogs of a data root.

    CSV with a header, UTF-8 with or without a byte order mark; columns that are not needed
    are ignored. Optional are, in template catalogs, `minimum_lines` and `score_maximum`, in the
    model catalog `prompt_price` and `completion_price` (USD per million tokens),
    `max_concurrency`, `requests_per_minute` and `tokens_per_minute`, and the whole of
    `replication_config.csv` (`stage,replicates`). An optional cell may be empty. A concept's
    descriptions are the files `concepts/descriptions-<level>/<id>.txt`.

    Raises:
        CatalogError: Files, columns or values are missing or wrong. Lists all of them by
            file, line and column.
    """
    problems: list[str] = []
    templates: dict[tuple[Stage, str], TemplateEntry] = {}
    parsers: dict[Stage, Mapping[str, Parser]] = {}
    for stage in STAGES:
        rows = _rows_by_id(
            paths.stage_templates_csv(stage),
            ("template_id", "parser", "generator"),
            problems,
            optional=("minimum_lines", "score_maximum"),
        )
        for template_id, row in rows.items():
            templates[stage, template_id] = _template(template_id, row, problems)
        parsers[stage] = _parsers(stage, rows.values(), problems)
    catalog = Catalog(
        concepts=_concepts(paths, problems),
        templates=templates,
        models=_models(paths, problems),
        parsers=parsers,
        replicates=_replicates(paths, problems),
    )
    if problems:
        raise CatalogError(str(paths.raw_dir), tuple(problems))
    return catalog


def read_models(paths: Paths) -> dict[str, ModelEntry]:
    """Return the model catalog alone, by its ids.

    Raises:
        CatalogError: As `read_catalog` says.
    """
    problems: list[str] = []
    models = _models(paths, problems)
    if problems:
        raise CatalogError(str(paths.raw_dir), tuple(problems))
    return models


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
    cells = [[row.cells[column] for column in columns] for row in _rows(path, columns, problems)]
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
    for row in _rows(path, ("stage", "gen_id"), problems):
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


def write_results(paths: Paths, cohort_id: str, tables: "ResultTables") -> list[Path]:
    """Write each table as CSV and the evaluations as Parquet too; return the files.

    They are in the cohort's reports folder and replace those that were there, each in one step.
    """
    folder = paths.cohort_reports_dir(cohort_id)
    written: dict[str, bytes] = {
        f"{name}.csv": table.write_csv().encode()
        for name, table in attrs.asdict(tables, recurse=False).items()
    }
    parquet = io.BytesIO()
    tables.evaluations.write_parquet(parquet)
    written["evaluations.parquet"] = parquet.getvalue()
    for name, data in written.items():
        replace_file(folder / name, data)
    return [folder / name for name in written]


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


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file in one step, unless it is as it should be. Makes its folder.

    Raises:
        OSError: The file system refused.
    """
    if path.exists() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(str(path.parent), path.name, data, sync=False)


@attrs.frozen
class _Row:
    where: str
    cells: Mapping[str, str]

    def number(
        self, column: str, problems: list[str], *, least: float = 0.0, whole: bool = False
    ) -> float | None:
        """Return the number in a cell, None where it is empty; note what is none."""
        cell = self.cells[column]
        if not cell:
            return None
        try:
            number = float(int(cell) if whole else cell)
        except ValueError:
            number = math.nan
        if least <= number < math.inf:
            return number
        kind = "whole number" if whole else "number"
        self.note(column, f"expected a {kind} of at least {least:g}, found {cell!r}", problems)
        return None

    def note(self, column: str, reason: str, problems: list[str]) -> None:
        problems.append(f"{self.where}, column {column}: {reason}")


def _template(template_id: str, row: _Row, problems: list[str]) -> TemplateEntry:
    generator = row.cells["generator"].lower() or "llm"
    if generator not in ("llm", "copy"):
        row.note("generator", f"expected llm or copy, found {generator!r}", problems)
    return TemplateEntry(
        template_id,
        row.cells["parser"],
        "copy" if generator == "copy" else "llm",
        int(row.number("minimum_lines", problems, whole=True) or 0),
        row.number("score_maximum", problems, least=1) or DEFAULT_MAXIMUM,
    )


def _parsers(stage: Stage, rows: Iterable[_Row], problems: list[str]) -> Mapping[str, Parser]:
    """Return the built-in parsers of a stage and those of other packages that its catalog names."""
    parsers = dict(PARSERS[stage])
    named = {row.cells["parser"]: row for row in rows if row.cells["parser"] not in parsers}
    named.pop("", None)
    # Only what is named is loaded: a package that is broken matters to those who use it.
    for entry_point in entry_points(group=f"{PARSER_GROUP}.{stage}") if named else ():
        row = named.get(entry_point.name)
        if row is None:
            continue
        try:
            parsers[entry_point.name] = entry_point.load()
        except Exception as error:  # noqa: BLE001  importing runs code of others
            reason = f"{entry_point.name!r} ({entry_point.value}) does not load: {error!r}"
            row.note("parser", reason, problems)
    return parsers


def _concepts(paths: Paths, problems: list[str]) -> dict[str, ConceptEntry]:
    concepts: dict[str, ConceptEntry] = {}
    rows = _rows_by_id(paths.concepts_csv, ("concept_id", "name"), problems)
    levels = [
        folder.name.removeprefix(DESCRIPTIONS_PREFIX)
        for folder in sorted(paths.concepts_dir.glob(f"{DESCRIPTIONS_PREFIX}*"))
    ]
    for concept_id, row in rows.items():
        try:
            check_id("concept_id", concept_id)
        except InvalidIdError as error:
            row.note("concept_id", str(error), problems)
            continue
        concepts[concept_id] = ConceptEntry(
            concept_id, row.cells["name"], _descriptions(paths, concept_id, levels, problems)
        )
    return concepts


def _descriptions(
    paths: Paths, concept_id: str, levels: Sequence[str], problems: list[str]
) -> dict[str, str]:
    """Return the concept's descriptions by level of detail."""
    descriptions: dict[str, str] = {}
    for level in levels:
        try:
            path = paths.concept_description_file(level, concept_id)
            descriptions[level] = path.read_text("utf-8-sig").strip()
        except FileNotFoundError:
            continue
        except (InvalidIdError, UnicodeDecodeError) as error:
            problems.append(f"description of {concept_id!r} at level {level!r}: {error}")
    return descriptions


def _models(paths: Paths, problems: list[str]) -> dict[str, ModelEntry]:
    rows = _rows_by_id(
        paths.llm_models_csv,
        ("id", "model", "provider"),
        problems,
        optional=(
            "prompt_price",
            "completion_price",
            "max_concurrency",
            "requests_per_minute",
            "tokens_per_minute",
        ),
    )
    return {
        model_id: ModelEntry(
            model_id,
            row.cells["model"],
            row.cells["provider"],
            row.number("prompt_price", problems),
            row.number("completion_price", problems),
            _limits(row, problems),
        )
        for model_id, row in rows.items()
    }


def _limits(row: _Row, problems: list[str]) -> ModelLimits:
    concurrency = row.number("max_concurrency", problems, least=1, whole=True)
    return ModelLimits(
        None if concurrency is None else int(concurrency),
        row.number("requests_per_minute", problems, least=0.01),
        row.number("tokens_per_minute", problems, least=1),
    )


def _replicates(paths: Paths, problems: list[str]) -> dict[Stage, int]:
    path = paths.replication_config_csv
    if not path.exists():
        return {}
    replicates: dict[Stage, int] = {}
    for stage, row in _rows_by_id(path, ("stage", "replicates"), problems).items():
        number = row.number("replicates", problems, least=1, whole=True)
        try:
            replicates[check_stage(stage)] = int(number or 1)
        except InvalidIdError as error:
            row.note("stage", str(error), problems)
    return replicates


def _rows(
    path: Path, columns: Sequence[str], problems: list[str], optional: Sequence[str] = ()
) -> Iterator[_Row]:
    """Yield the needed cells of each row, stripped; note what is wrong in `problems`."""
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        problems.append(f"{path} is missing")
        return
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{path} is no file of UTF-8: {error}")
        return
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        missing = [column for column in columns if column not in header]
        if missing:
            problems.append(f"{path}, line 1: no column {', '.join(missing)}")
            return
        places = {name: header.index(name) for name in (*columns, *optional) if name in header}
        for cells in reader:
            where = f"{path}, line {reader.line_num}"
            if cells and len(cells) != len(header):
                problems.append(f"{where}: expected {len(header)} cells, as in the header")
            elif cells:
                found = {name: cells[place].strip() for name, place in places.items()}
                yield _Row(where, {**dict.fromkeys(optional, ""), **found})
    except csv.Error as error:
        problems.append(f"{path}, line {reader.line_num}: {error}")


def _rows_by_id(
    path: Path, columns: Sequence[str], problems: list[str], optional: Sequence[str] = ()
) -> dict[str, _Row]:
    """Return the rows by their first column; note empty and repeated ids in `problems`."""
    rows: dict[str, _Row] = {}
    for row in _rows(path, columns, problems, optional):
        value = row.cells[columns[0]]
        if not value:
            row.note(columns[0], "empty", problems)
        elif value in rows:
            row.note(columns[0], f"{value!r} is there twice", problems)
        else:
            rows[value] = row
    return rows
