"""Reads the researcher's catalogs in a data root."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Final

from adapters.cohort_store.concept_rows import FORMERLY
from adapters.cohort_store.csv_rows import CsvRow, read_rows_by_id
from adapters.cohort_store.endpoint_file import read_endpoints
from adapters.cohort_store.json_cells import read_object, read_schema
from adapters.loop_store.concept_files import read_accepted_concepts
from adapters.root_files.layout import LAYOUT
from adapters.root_files.text import read_text
from daydreaming_dagster.data_layer.paths import DESCRIPTIONS_PREFIX
from daydreaming_dagster.domain.catalog import (
    Catalog,
    ConceptEntry,
    ModelEntry,
    ModelLimits,
    TemplateEntry,
)
from daydreaming_dagster.domain.cohort.sampling import parameter_problems
from daydreaming_dagster.domain.documents import suggestion
from daydreaming_dagster.domain.errors import CatalogError, NoCatalogsError
from daydreaming_dagster.domain.generation.tokens import MAX_COMPLETION_TOKENS
from daydreaming_dagster.domain.parsing.registry import parsers_of
from daydreaming_dagster.domain.parsing.response import DEFAULT_MAXIMUM, Parser
from daydreaming_dagster.domain.stages import Pipeline, StageDefinition
from daydreaming_dagster.formatting import not_utf8
from daydreaming_dagster.ports.errors import (
    InvalidIdError,
    StorageUnavailableError,
    UnsafePathError,
)
from daydreaming_dagster.ports.ids import check_id
from daydreaming_dagster.ports.language_model import SamplingParameters
from daydreaming_dagster.ports.root_files import RootFiles
from daydreaming_dagster.types import Stage

_REQUIRED: Final = (LAYOUT.concepts_csv, LAYOUT.llm_models_csv)
"""The catalogs that every data root has, besides that of each stage's templates."""

PARSER_GROUP: Final = "daydreaming_dagster.parsers"
"""The entry points in `daydreaming_dagster.parsers.<stage>` are parsers of installed packages.

Each is a `daydreaming_dagster.domain.parsing.response.Parser`. Catalogs use the name of the entry
point. Built-in names are reserved.
"""


def read_catalog(files: RootFiles, pipeline: Pipeline) -> Catalog:
    """Return the catalogs of a data root with these stages.

    They are CSV files with a header, in UTF-8 with or without a byte order mark. Unknown columns
    are ignored. These columns are optional, and their cells may be empty: in template catalogs
    `minimum_lines`, `score_maximum`, `score_minimum` and `schema` (the name of a file in
    `schemas`); in the model catalog `prompt_price`, `completion_price` and `cached_prompt_price`
    (USD per million tokens), `max_concurrency`, `requests_per_minute` and `tokens_per_minute`,
    `temperature`, `top_p`, `max_tokens`, `max_tokens_name`, `seed`, `reasoning_effort` and
    `extra_body` (JSON), `batch` (yes or no) and `batch_discount` (a part of the price, from 0 to
    1), `retires` (a date); in the concept catalog `formerly`, the id that a renamed concept had
    when its generations were planned. The files `replication_config.csv`
    (`stage,replicates`) and `endpoints.csv` (see `read_endpoints`) are optional too. A concept's
    descriptions are the files `concepts/descriptions-<level>/<id>.txt`. The texts that loops
    accepted are concepts too (see `read_accepted_concepts`).

    Raises:
        CatalogError: Files, columns or values are missing or wrong. Lists every mistake with its
            file, line and column.
    """
    problems: list[str] = []
    templates: dict[tuple[Stage, str], TemplateEntry] = {}
    parsers: dict[Stage, Mapping[str, Parser]] = {}
    for stage in pipeline:
        rows = read_rows_by_id(
            files,
            LAYOUT.stage_templates_csv(stage),
            ("template_id", "parser", "generator"),
            problems,
            optional=("minimum_lines", "score_maximum", "score_minimum", "schema"),
        )
        for template_id, row in rows.items():
            templates[stage, template_id] = _template(files, template_id, row, problems)
        parsers[stage] = _parsers(pipeline[stage], rows.values(), problems)
    endpoints = read_endpoints(files, problems)
    catalog = Catalog(
        concepts={**read_accepted_concepts(files, problems), **_concepts(files, problems)},
        templates=templates,
        models=_models(files, endpoints, problems),
        pipeline=pipeline,
        parsers=parsers,
        replicates=_replicates(files, pipeline, problems),
        endpoints=endpoints,
    )
    if problems:
        location = files.locate(LAYOUT.raw_dir.as_posix())
        required = [*map(LAYOUT.stage_templates_csv, pipeline), *_REQUIRED]
        if not any(files.exists(path.as_posix()) for path in required):
            raise NoCatalogsError(location, ("it has no catalogs",))
        raise CatalogError(location, tuple(problems))
    return catalog


def _template(
    files: RootFiles, template_id: str, row: CsvRow, problems: list[str]
) -> TemplateEntry:
    generator = row.cells["generator"].lower() or "llm"
    if generator not in ("llm", "copy"):
        row.note("generator", f"expected llm or copy, found {generator!r}", problems)
    lines = row.whole("minimum_lines", problems) or 0
    maximum = row.number("score_maximum", problems, least=1) or DEFAULT_MAXIMUM
    minimum = row.number("score_minimum", problems) or 0.0
    if minimum >= maximum:
        row.note("score_minimum", f"expected less than the maximum, {maximum:g}", problems)
    return TemplateEntry(
        template_id,
        row.cells["parser"],
        "copy" if generator == "copy" else "llm",
        lines,
        maximum,
        minimum,
        read_schema(files, row, problems),
    )


def _parsers(
    definition: StageDefinition, rows: Iterable[CsvRow], problems: list[str]
) -> Mapping[str, Parser]:
    """Return a stage's built-in parsers and those of other packages that its catalog names."""
    parsers = dict(parsers_of(definition))
    named = {row.cells["parser"]: row for row in rows if row.cells["parser"] not in parsers}
    named.pop("", None)
    if not named:
        return parsers
    # Imported here because most catalogs name no such parser.
    from importlib.metadata import entry_points

    from adapters.plugin_process import PluginParser

    # Load only parsers that are named, so a broken package affects only its users.
    for entry_point in entry_points(group=f"{PARSER_GROUP}.{definition.name}"):
        row = named.get(entry_point.name)
        if row is None:
            continue
        try:
            entry_point.load()
        except Exception as error:  # noqa: BLE001  importing runs code of other packages
            reason = f"{entry_point.name!r} ({entry_point.value}) does not load: {error!r}"
            row.note("parser", reason, problems)
        else:
            parsers[entry_point.name] = PluginParser(entry_point)
    return parsers


def _concepts(files: RootFiles, problems: list[str]) -> dict[str, ConceptEntry]:
    concepts: dict[str, ConceptEntry] = {}
    rows = read_rows_by_id(
        files, LAYOUT.concepts_csv, ("concept_id", "name"), problems, optional=(FORMERLY,)
    )
    pattern = LAYOUT.concepts_dir / f"{DESCRIPTIONS_PREFIX}*/*.txt"
    folders = dict.fromkeys(name.split("/")[-2] for name in files.find(pattern.as_posix()))
    levels = [folder.removeprefix(DESCRIPTIONS_PREFIX) for folder in folders]
    for shown_id, row in rows.items():
        concept_id = row.cells[FORMERLY] or shown_id
        try:
            check_id("concept_id", shown_id)
            check_id("concept_id", concept_id)
        except InvalidIdError as error:
            row.note("concept_id", str(error), problems)
            continue
        renamed = "" if shown_id == concept_id else shown_id
        if concept_id in concepts or (renamed and concept_id in rows):
            row.note(FORMERLY, f"{concept_id!r} is or was the id of another concept", problems)
            continue
        descriptions = _descriptions(files, concept_id, levels, problems)
        if renamed:
            descriptions |= _descriptions(files, renamed, levels, problems)
        name = row.cells["name"]
        concepts[concept_id] = ConceptEntry(concept_id, name, descriptions, renamed=renamed)
    return concepts


def _descriptions(
    files: RootFiles, concept_id: str, levels: Sequence[str], problems: list[str]
) -> dict[str, str]:
    """Return the concept's descriptions by level of detail."""
    descriptions: dict[str, str] = {}
    for level in levels:
        subject = f"description of {concept_id!r} at level {level!r}"
        try:
            path = LAYOUT.concept_description_file(level, concept_id)
            text = read_text(files, path).strip()
            if text:  # an empty file describes nothing
                descriptions[level] = text
        except FileNotFoundError:
            continue
        except UnicodeDecodeError as error:
            problems.append(f"{subject} is {not_utf8(error)}")
        except StorageUnavailableError:
            raise
        except (InvalidIdError, OSError, UnsafePathError) as error:
            problems.append(f"{subject}: {error}")
    return descriptions


def _models(
    files: RootFiles, endpoints: Collection[str], problems: list[str]
) -> dict[str, ModelEntry]:
    rows = read_rows_by_id(
        files,
        LAYOUT.llm_models_csv,
        ("id", "model", "provider"),
        problems,
        optional=(
            "prompt_price",
            "completion_price",
            "cached_prompt_price",
            "max_concurrency",
            "requests_per_minute",
            "tokens_per_minute",
            "temperature",
            "top_p",
            "max_tokens",
            "max_tokens_name",
            "seed",
            "reasoning_effort",
            "extra_body",
            "batch",
            "batch_discount",
            "retires",
        ),
    )
    for row in rows.values():
        provider = row.cells["provider"]
        if provider not in endpoints and (hint := suggestion(provider, endpoints)):
            row.note("provider", f"no endpoint {provider!r} in endpoints.csv{hint}", problems)
    return {
        model_id: ModelEntry(
            model_id,
            row.cells["model"],
            row.cells["provider"],
            row.number("prompt_price", problems),
            row.number("completion_price", problems),
            _limits(row, problems),
            row.number("cached_prompt_price", problems),
            sampling=_sampling(row, problems),
            max_tokens_name="max_completion_tokens" if _renames_limit(row, problems) else "",
            batch=row.yes_or_no("batch", problems),
            batch_discount=_discount(row, problems),
            retires=_date(row, "retires", problems),
        )
        for model_id, row in rows.items()
    }


def _date(row: CsvRow, column: str, problems: list[str]) -> date | None:
    cell = row.cells[column]
    try:
        return date.fromisoformat(cell) if cell else None
    except ValueError:
        row.note(column, f"expected a date such as 2026-03-31, found {cell!r}", problems)
        return None


def _sampling(row: CsvRow, problems: list[str]) -> SamplingParameters:
    """Return what a model is asked with where a cohort says nothing."""
    extra_body = read_object(row, "extra_body", problems)
    if effort := row.cells["reasoning_effort"]:
        extra_body = {"reasoning_effort": effort, **extra_body}
    sampling = SamplingParameters(
        row.number("temperature", problems),
        row.number("top_p", problems),
        row.whole("max_tokens", problems, least=1),
        row.whole("seed", problems),
        extra_body,
    )
    for problem in parameter_problems(sampling, (), "the column "):
        row.note("extra_body", str(problem), problems)
    if MAX_COMPLETION_TOKENS in extra_body:
        reason = f"write the limit in max_tokens, and {MAX_COMPLETION_TOKENS} in max_tokens_name"
        row.note("extra_body", reason, problems)
    return sampling


def _renames_limit(row: CsvRow, problems: list[str]) -> bool:
    name = row.cells["max_tokens_name"]
    if name not in ("", "max_tokens", MAX_COMPLETION_TOKENS):
        reason = f"expected max_tokens or {MAX_COMPLETION_TOKENS}, found {name!r}"
        row.note("max_tokens_name", reason, problems)
    return name == MAX_COMPLETION_TOKENS


def _discount(row: CsvRow, problems: list[str]) -> float:
    discount = row.number("batch_discount", problems) or 0.0
    if discount > 1:
        reason = f"expected a part of the price, such as 0.5 for half of it, found {discount:g}"
        row.note("batch_discount", reason, problems)
    return discount


def _limits(row: CsvRow, problems: list[str]) -> ModelLimits:
    return ModelLimits(
        row.whole("max_concurrency", problems, least=1),
        row.number("requests_per_minute", problems, least=0.01),
        row.number("tokens_per_minute", problems, least=1),
    )


def _replicates(files: RootFiles, pipeline: Pipeline, problems: list[str]) -> dict[Stage, int]:
    path = LAYOUT.replication_config_csv
    if not files.exists(path.as_posix()):
        return {}
    replicates: dict[Stage, int] = {}
    for stage, row in read_rows_by_id(files, path, ("stage", "replicates"), problems).items():
        number = row.whole("replicates", problems, least=1)
        try:
            replicates[pipeline[stage].name] = number or 1
        except InvalidIdError as error:
            row.note("stage", str(error), problems)
    return replicates
