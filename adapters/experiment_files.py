"""The researcher's own files in a data root: catalogs, cohort specifications, memberships."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs
import yaml

from adapters.atomic_write import write_atomically
from daydreaming_dagster.data_layer.errors import InvalidIdError
from daydreaming_dagster.data_layer.ids import check_id, check_stage
from daydreaming_dagster.data_layer.paths import DESCRIPTIONS_PREFIX, Paths
from daydreaming_dagster.domain.catalog import Catalog, ConceptEntry, ModelEntry, TemplateEntry
from daydreaming_dagster.domain.cohort_spec import CohortSpec
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.planning import CohortPlan
from daydreaming_dagster.domain.structuring import structure
from daydreaming_dagster.types import STAGES, Stage


def read_catalog(paths: Paths) -> Catalog:
    """Return the catalogs of a data root.

    CSV with a header, UTF-8 with or without a byte order mark; columns that are not needed
    are ignored. A concept's descriptions are the files `concepts/descriptions-<level>/<id>.txt`.

    Raises:
        CatalogError: Files, columns or values are missing or wrong. Lists all of them by
            file, line and column.
    """
    problems: list[str] = []
    concepts = {
        concept_id: ConceptEntry(
            concept_id, row.cells["name"], _descriptions(paths, concept_id, problems)
        )
        for concept_id, row in _rows_by_id(
            paths.concepts_csv, ("concept_id", "name"), problems
        ).items()
    }
    templates: dict[tuple[Stage, str], TemplateEntry] = {}
    for stage in STAGES:
        path = paths.stage_templates_csv(stage)
        columns = ("template_id", "parser", "generator")
        for template_id, row in _rows_by_id(path, columns, problems).items():
            generator = row.cells["generator"].lower() or "llm"
            if generator not in ("llm", "copy"):
                problems.append(
                    f"{row.where}, column generator: expected llm or copy, found {generator!r}"
                )
            templates[stage, template_id] = TemplateEntry(
                template_id, row.cells["parser"], "copy" if generator == "copy" else "llm"
            )
    models = {
        model_id: ModelEntry(model_id, row.cells["model"], row.cells["provider"])
        for model_id, row in _rows_by_id(
            paths.llm_models_csv, ("id", "model", "provider"), problems
        ).items()
    }
    if problems:
        raise CatalogError(str(paths.raw_dir), tuple(problems))
    return Catalog(concepts, templates, models)


def read_cohort_spec(paths: Paths, cohort_id: str) -> CohortSpec:
    """Return the specification of a cohort.

    Raises:
        CatalogError: There is no such file, it is no YAML, or not what `CohortSpec` says.
        InvalidIdError: `cohort_id` is none.
    """
    path = paths.cohort_spec_file(cohort_id)
    try:
        document = yaml.safe_load(path.read_bytes())
    except FileNotFoundError:
        problem = f"cohort {cohort_id!r} has no such file; write it, or name another cohort"
        raise CatalogError(str(path), (problem,)) from None
    except yaml.YAMLError as error:
        raise CatalogError(str(path), (f"not YAML: {error}",)) from None
    return structure(document, CohortSpec, str(path))


def write_membership(paths: Paths, plan: CohortPlan) -> None:
    """Write the `stage,gen_id` rows of a cohort, unless they are there as they should be."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("stage", "gen_id"))
    writer.writerows((planned.stage, planned.gen_id) for planned in plan.generations)
    data = text.getvalue().encode()
    path = paths.cohort_membership_csv(plan.cohort_id)
    if path.exists() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(str(path.parent), path.name, data, sync=False)


def read_membership(paths: Paths, cohort_id: str) -> dict[Stage, list[str]]:
    """Return the gen_ids of a cohort by stage, in planned order.

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
    return members


def list_cohorts(paths: Paths) -> list[str]:
    """Return the ids of the cohorts that have a specification, sorted."""
    return sorted(path.parts[-3] for path in paths.cohorts_dir.glob("*/spec/config.yaml"))


@attrs.frozen
class _Row:
    where: str
    cells: Mapping[str, str]


def _rows(path: Path, columns: Sequence[str], problems: list[str]) -> Iterator[_Row]:
    """Yield the needed cells of each row, stripped; note what is wrong in `problems`."""
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        problems.append(f"{path} is missing")
        return
    except UnicodeDecodeError as error:
        problems.append(f"{path} is not UTF-8: {error}")
        return
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    header = reader.fieldnames or ()
    missing = [column for column in columns if column not in header]
    if missing:
        problems.append(f"{path}, line 1: no column {', '.join(missing)}")
        return
    try:
        for cells in reader:
            where = f"{path}, line {reader.line_num}"
            if None in cells or None in cells.values():
                problems.append(f"{where}: expected {len(header)} cells, as in the header")
            else:
                yield _Row(where, {column: cells[column].strip() for column in columns})
    except csv.Error as error:
        problems.append(f"{path}, line {reader.line_num}: {error}")


def _rows_by_id(path: Path, columns: Sequence[str], problems: list[str]) -> dict[str, _Row]:
    """Return the rows by their first column; note empty and repeated ids in `problems`."""
    rows: dict[str, _Row] = {}
    for row in _rows(path, columns, problems):
        value = row.cells[columns[0]]
        if not value:
            problems.append(f"{row.where}, column {columns[0]}: empty")
        elif value in rows:
            problems.append(f"{row.where}, column {columns[0]}: {value!r} is there twice")
        else:
            rows[value] = row
    return rows


def _descriptions(paths: Paths, concept_id: str, problems: list[str]) -> dict[str, str]:
    """Return the concept's descriptions by level of detail."""
    descriptions: dict[str, str] = {}
    for folder in sorted(paths.concepts_dir.glob(f"{DESCRIPTIONS_PREFIX}*")):
        level = folder.name.removeprefix(DESCRIPTIONS_PREFIX)
        try:
            path = paths.concept_description_file(level, concept_id)
            descriptions[level] = path.read_text("utf-8-sig").strip()
        except FileNotFoundError:
            continue
        except (InvalidIdError, UnicodeDecodeError) as error:
            problems.append(f"description of {concept_id!r} in {folder}: {error}")
    return descriptions
