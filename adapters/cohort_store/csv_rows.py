"""Rows of the researcher's CSV files, with every mistake reported at once."""

import csv
import io
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import PurePath
from typing import Final, TypeVar

import attrs

from adapters.root_files.text import read_text
from daydreaming_dagster.domain.documents import suggestion
from daydreaming_dagster.formatting import not_csv, not_utf8, other_separator
from daydreaming_dagster.ports.errors import StorageUnavailableError, UnsafePathError
from daydreaming_dagster.ports.root_files import RootFiles

_Number = TypeVar("_Number", int, float)

_OTHER_COLUMNS: Final = ("template_name", "display_name", "description", "specialization")
"""Columns for people to read, which some data roots have, and which resemble known ones."""


@attrs.frozen
class CsvRow:
    """The stripped cells of a row by column; `where` names file and line."""

    where: str
    cells: Mapping[str, str]

    def number(self, column: str, problems: list[str], *, least: float = 0.0) -> float | None:
        """Return the number in a cell, or None if it is empty or invalid; note invalid cells."""
        return self._read(float, column, problems, f"number of at least {least:g}", least)

    def whole(self, column: str, problems: list[str], *, least: int = 0) -> int | None:
        """Return the whole number in a cell, like `number`."""
        return self._read(int, column, problems, f"whole number of at least {least}", least)

    def yes_or_no(self, column: str, problems: list[str]) -> bool | None:
        """Return what a cell says, None if it is empty or says something else; note the latter."""
        cell = self.cells[column]
        if cell.lower() not in ("", "yes", "no"):
            self.note(column, f"expected yes or no, found {cell!r}", problems)
        return {"yes": True, "no": False}.get(cell.lower())

    def _read(
        self,
        convert: Callable[[str], _Number],
        column: str,
        problems: list[str],
        expected: str,
        least: float,
    ) -> _Number | None:
        cell = self.cells[column]
        if not cell:
            return None
        with suppress(ValueError):
            number = convert(cell)
            if least <= number < math.inf:
                return number
        self.note(column, f"expected a {expected}, found {cell!r}", problems)
        return None

    def note(self, column: str, reason: str, problems: list[str]) -> None:
        problems.append(f"{self.where}, column {column}: {reason}")


def read_rows(
    files: RootFiles,
    path: PurePath,
    columns: Sequence[str],
    problems: list[str],
    optional: Sequence[str] = (),
) -> Iterator[CsvRow]:
    """Yield the requested cells of each row, stripped; note mistakes in `problems`."""
    location = files.locate(path.as_posix())
    try:
        text = read_text(files, path)
    except FileNotFoundError:
        problems.append(f"{location} is missing")
        return
    except UnicodeDecodeError as error:
        problems.append(f"{location} is {not_utf8(error)}")
        return
    except StorageUnavailableError:
        raise
    except (OSError, UnsafePathError) as error:
        problems.append(f"{location} cannot be read: {error}")
        return
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        wrong = list(_header_problems(header, columns, optional))
        if wrong:
            problems += [f"{location}, line 1: {reason}" for reason in wrong]
            return
        places = {name: header.index(name) for name in (*columns, *optional) if name in header}
        for cells in reader:
            where = f"{location}, line {reader.line_num}"
            if cells and len(cells) != len(header):
                problems.append(f"{where}: expected {len(header)} cells, as in the header")
            elif cells:
                found = {name: cells[place].strip() for name, place in places.items()}
                yield CsvRow(where, {**dict.fromkeys(optional, ""), **found})
    except csv.Error as error:
        problems.append(f"{location}, line {reader.line_num}: {not_csv(error)}")


def read_rows_by_id(
    files: RootFiles,
    path: PurePath,
    columns: Sequence[str],
    problems: list[str],
    optional: Sequence[str] = (),
) -> dict[str, CsvRow]:
    """Return the rows by their first column; note empty and repeated ids in `problems`."""
    rows: dict[str, CsvRow] = {}
    for row in read_rows(files, path, columns, problems, optional):
        value = row.cells[columns[0]]
        if not value:
            row.note(columns[0], "empty", problems)
        elif value in rows:
            row.note(columns[0], f"{value!r} appears twice", problems)
        else:
            rows[value] = row
    return rows


def _header_problems(
    header: Sequence[str], columns: Sequence[str], optional: Sequence[str]
) -> Iterator[str]:
    """Yield the mistakes in a header: missing, repeated and misspelt columns."""
    missing = [column for column in columns if column not in header]
    if missing:
        hint = other_separator(header)
        yield f"no column {', '.join(missing)}{hint}"
        if hint:
            return
    for name, count in Counter(header).items():
        if count > 1 and name:
            yield f"{count} columns are named {name!r}"
    absent = [name for name in (*columns, *optional) if name not in header]
    for name in header:
        if name not in (*columns, *optional, *_OTHER_COLUMNS):
            hint = suggestion(_sorted_words(name), map(_sorted_words, absent))
            for known in absent if hint else ():
                if repr(_sorted_words(known)) in hint:
                    yield f"unknown column {name!r}; did you mean {known!r}?"


def _sorted_words(name: str) -> str:
    """Return a column's words in alphabetical order, so that `max_score` resembles `score_max`."""
    return "_".join(sorted(name.lower().replace("-", "_").replace(" ", "_").split("_")))
