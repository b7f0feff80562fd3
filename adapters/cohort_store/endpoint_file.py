"""Reads the researcher's endpoints: `1_raw/endpoints.csv`."""

import re
from collections.abc import Mapping
from typing import Final

from adapters.cohort_store.csv_rows import CsvRow, read_rows
from adapters.language_model.endpoint_url import endpoint_url
from adapters.language_model.redaction import basic_credentials
from adapters.root_files.layout import LAYOUT
from daydreaming_dagster.domain.endpoints import (
    DEFAULT_BATCH_REQUESTS,
    LOCAL_PROVIDER,
    EndpointEntry,
)
from daydreaming_dagster.ports.root_files import RootFiles

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""A field name, according to RFC 9110, section 5.6.2."""
_NUMBERS: Final[Mapping[str, float]] = {
    "timeout_seconds": 0.1,
    "first_token_timeout_seconds": 0.1,
    "patience_seconds": 0.0,
    "batch_megabytes": 0.001,
    "batch_poll_seconds": 0.01,
}
"""The columns with durations and sizes, each with the least that makes sense."""
_NOT_SHOWN: Final = "what it holds is not shown, because it may be a key"


def read_endpoints(files: RootFiles, problems: list[str]) -> dict[str, tuple[EndpointEntry, ...]]:
    """Return the rows of each endpoint by its id; none if the file is missing.

    The columns `id` and `base_url` are required. `api_key_variable`, `header_variables` (pairs
    `HEADER=VARIABLE` with spaces between), `stream` and `batch` (yes or no), `timeout_seconds`,
    `first_token_timeout_seconds`, `patience_seconds`, `batch_requests`, `batch_megabytes` and
    `batch_poll_seconds` are optional. Mistakes are noted in `problems`. Nothing that may be a key
    is quoted.
    """
    endpoints: dict[str, tuple[EndpointEntry, ...]] = {}
    if not files.exists(LAYOUT.endpoints_csv.as_posix()):
        return endpoints
    for row in read_rows(
        files,
        LAYOUT.endpoints_csv,
        ("id", "base_url"),
        problems,
        optional=(
            "api_key_variable",
            "header_variables",
            "stream",
            "batch",
            "batch_requests",
            *_NUMBERS,
        ),
    ):
        entry = EndpointEntry(
            _id(row, problems),
            _url(row, problems),
            _key_variable(row, problems),
            _header_variables(row, problems),
            stream=row.yes_or_no("stream", problems) is not False,
            batch=row.yes_or_no("batch", problems) is not False,
            batch_requests=row.whole("batch_requests", problems, least=1) or DEFAULT_BATCH_REQUESTS,
            **_numbers(row, problems),
        )
        others = endpoints.get(entry.id, ())
        # Two accounts at one URL are two endpoints; the same account twice is a mistake.
        if any(entry.account == other.account for other in others):
            row.note("id", f"{entry.id!r} appears twice with the same URL and key", problems)
        endpoints[entry.id] = (*others, entry)
    return endpoints


def _numbers(row: CsvRow, problems: list[str]) -> dict[str, float]:
    """Return the numbers that are given; the others keep their defaults."""
    given = {
        column: row.number(column, problems, least=least) for column, least in _NUMBERS.items()
    }
    return {column: number for column, number in given.items() if number is not None}


def _id(row: CsvRow, problems: list[str]) -> str:
    value = row.cells["id"]
    if not value:
        row.note("id", "empty", problems)
    if value == LOCAL_PROVIDER:
        row.note("id", f"{value!r} is the model on this machine; choose another name", problems)
    return value


def _url(row: CsvRow, problems: list[str]) -> str:
    value = row.cells["base_url"]
    try:
        url = endpoint_url(value)
    except ValueError as error:
        row.note("base_url", str(error), problems)
        return value
    if basic_credentials(url):
        reason = (
            "it contains a user or password; put `Basic …` into an environment variable, and name "
            "it in header_variables: Authorization=VARIABLE"
        )
        row.note("base_url", reason, problems)
    return url


def _key_variable(row: CsvRow, problems: list[str]) -> str:
    value = row.cells["api_key_variable"]
    if value and not _VARIABLE.fullmatch(value):
        reason = f"expected the name of an environment variable; {_NOT_SHOWN}"
        row.note("api_key_variable", reason, problems)
    return value


def _header_variables(row: CsvRow, problems: list[str]) -> Mapping[str, str]:
    pairs = dict[str, str]()
    for pair in row.cells["header_variables"].split():
        name, _, variable = pair.partition("=")
        if not (_HEADER.fullmatch(name) and _VARIABLE.fullmatch(variable)):
            reason = f"expected HEADER=VARIABLE, with spaces between pairs; {_NOT_SHOWN}"
            row.note("header_variables", reason, problems)
            break
        pairs[name] = variable
    return pairs
