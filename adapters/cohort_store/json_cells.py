"""Reads the JSON of the researcher's catalogs: in cells, and in the files that cells name."""

import json
from typing import Any

from adapters.cohort_store.csv_rows import CsvRow
from adapters.root_files.layout import LAYOUT
from adapters.root_files.text import read_text
from daydreaming_dagster.domain.catalog import AnswerSchema
from daydreaming_dagster.formatting import not_utf8
from daydreaming_dagster.ports.errors import (
    InvalidIdError,
    StorageUnavailableError,
    UnsafePathError,
)
from daydreaming_dagster.ports.root_files import RootFiles
from daydreaming_dagster.types import JsonObject


def read_object(row: CsvRow, column: str, problems: list[str]) -> JsonObject:
    """Return the JSON object in a cell; an empty one if the cell is empty or wrong, and note it."""
    if not (cell := row.cells[column]):
        return {}
    document, reason = _parsed(cell)
    if reason is not None:
        row.note(column, reason, problems)
    return document


def read_schema(files: RootFiles, row: CsvRow, problems: list[str]) -> AnswerSchema | None:
    """Return the schema that a template's row names; None if it names none, or note what is wrong.

    A schema describes an object: OpenAI takes nothing else.
    """
    if not (name := row.cells["schema"]):
        return None
    try:
        path = LAYOUT.schema_file(name)
    except InvalidIdError as error:
        row.note("schema", f"{error}; name a file in schemas without its .json", problems)
        return None
    file = files.locate(path.as_posix())
    try:
        schema, reason = _parsed(read_text(files, path))
    except FileNotFoundError:
        row.note("schema", f"{file} is missing", problems)
        return None
    except UnicodeDecodeError as error:
        row.note("schema", f"{file} is {not_utf8(error)}", problems)
        return None
    except StorageUnavailableError:
        raise
    except (OSError, UnsafePathError) as error:
        row.note("schema", f"{file} cannot be read: {error}", problems)
        return None
    reason = reason or _why_not_a_schema(schema)
    if reason is not None:
        row.note("schema", f"{file}: {reason}", problems)
    return AnswerSchema(name, schema)


def _parsed(text: str) -> tuple[JsonObject, str | None]:
    """Return the object in a JSON text, and what is wrong with it."""
    try:
        document: Any = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        return {}, f"not JSON: {error}"
    if not isinstance(document, dict):
        return {}, f"expected a JSON object, found {text[:60]!r}"
    return document, None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _why_not_a_schema(schema: JsonObject) -> str | None:
    # Takes 0.1 s to import, and few catalogs have schemas.
    from jsonschema import Draft202012Validator, SchemaError
    from jsonschema.validators import validator_for

    dialect: Any = Draft202012Validator
    if isinstance(schema.get("$schema"), str):
        dialect = validator_for(schema, dialect)
    try:
        dialect.check_schema(schema)
    except SchemaError as error:
        return f"not a JSON schema: {error.json_path}: {error.message:.200}"
    if schema.get("type") != "object":
        return 'the schema of an answer needs "type": "object"'
    return None
