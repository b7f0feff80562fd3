"""Rows of the researcher's CSV files, with every mistake reported at once."""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs


@attrs.frozen
class CsvRow:
    """The stripped cells of a row by column; `where` names file and line."""

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


def read_rows(
    path: Path, columns: Sequence[str], problems: list[str], optional: Sequence[str] = ()
) -> Iterator[CsvRow]:
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
                yield CsvRow(where, {**dict.fromkeys(optional, ""), **found})
    except csv.Error as error:
        problems.append(f"{path}, line {reader.line_num}: {error}")


def read_rows_by_id(
    path: Path, columns: Sequence[str], problems: list[str], optional: Sequence[str] = ()
) -> dict[str, CsvRow]:
    """Return the rows by their first column; note empty and repeated ids in `problems`."""
    rows: dict[str, CsvRow] = {}
    for row in read_rows(path, columns, problems, optional):
        value = row.cells[columns[0]]
        if not value:
            row.note(columns[0], "empty", problems)
        elif value in rows:
            row.note(columns[0], f"{value!r} is there twice", problems)
        else:
            rows[value] = row
    return rows
