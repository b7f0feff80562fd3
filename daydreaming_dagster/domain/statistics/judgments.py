"""Judgments as arrays, read from CSV: scores of items, and duels between two of them."""

import csv
import math
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs
import numpy as np
import numpy.typing as npt

from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.formatting import not_csv

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

TIE: Final = 0.5
"""`first_wins` of a tie."""

_SCORE_COLUMNS: Final = ("item", "judge", "score")
_DUEL_COLUMNS: Final = ("first", "second", "first_wins")
_SMALLEST: Final = 1e-50
_LARGEST: Final = 1e50
"""The fourth powers of such numbers can be added up."""


def sums(codes: Indices, values: Floats, size: int) -> Floats:
    """Return the sum of the values of each code."""
    return np.bincount(codes, weights=values, minlength=size).astype(np.float64)


@attrs.define(eq=False)
class JudgmentsError(DaydreamingError, ValueError):
    """A table of judgments cannot be analysed."""

    reason: str

    def __str__(self) -> str:
        return self.reason


@attrs.frozen
class Coded:
    """A column of names: `names[codes[row]]` is the name in a row."""

    names: tuple[str, ...]
    codes: Indices

    @property
    def size(self) -> int:
        """How many names there are."""
        return len(self.names)

    def counts(self) -> Indices:
        """Return how many rows each name has."""
        return np.bincount(self.codes, minlength=self.size)

    def only(self, rows: npt.NDArray[np.bool_]) -> "Coded":
        """Return these rows, with the names that they use."""
        used, codes = np.unique(self.codes[rows], return_inverse=True)
        return Coded(tuple(self.names[code] for code in used), codes.astype(np.int64))


def code(names: Sequence[str]) -> Coded:
    """Return a column coded, its names in the order of their first rows."""
    index: dict[str, int] = {}
    codes = [index.setdefault(name, len(index)) for name in names]
    return Coded(tuple(index), np.array(codes, dtype=np.int64))


@attrs.frozen
class Scores:
    """Scores of items by judges.

    Attributes:
        item: Which item each score is about.
        judge: Who gave it.
        score: The scores; all are finite.
        groups: The level of each score on each further column, such as a template.
        missing: How many judgments have no score; they are left out.
        unscored: The items that are left out with them.
    """

    item: Coded
    judge: Coded
    score: Floats
    groups: Mapping[str, Coded] = attrs.field(factory=dict)
    missing: int = 0
    unscored: tuple[str, ...] = ()


@attrs.frozen
class Duels:
    """Verdicts of judges on two items each.

    Attributes:
        items: The names of the items.
        first: Which item was shown first.
        second: Which item was shown second.
        first_wins: 1 if the first won, 0 if the second did, 0.5 for a tie.
        judge: Who judged.
        unreadable: How many duels of each judge have no verdict; they are left out.
    """

    items: tuple[str, ...]
    first: Indices
    second: Indices
    first_wins: Floats
    judge: Coded
    unreadable: Indices


def make_scores(
    items: Sequence[str],
    judges: Sequence[str],
    scores: Sequence[float | None],
    groups: Mapping[str, Sequence[str]] | None = None,
) -> Scores:
    """Return scores as arrays, without those that are None.

    Raises:
        JudgmentsError: There is no score.
    """
    given = np.array([score is not None for score in scores], dtype=np.bool_)
    if not given.any():
        raise JudgmentsError("no judgment has a score")
    every = code(items)
    scored = every.only(given)
    return Scores(
        scored,
        code(judges).only(given),
        np.array([score for score in scores if score is not None], dtype=np.float64),
        {name: code(levels).only(given) for name, levels in (groups or {}).items()},
        int((~given).sum()),
        tuple(name for name in every.names if name not in {*scored.names}),
    )


def make_duels(
    first: Sequence[str],
    second: Sequence[str],
    first_wins: Sequence[float | None],
    judges: Sequence[str] | None = None,
) -> Duels:
    """Return duels as arrays, without those whose verdict is None.

    Items and judges without any verdict stay: nothing is known of them.

    Raises:
        JudgmentsError: There is no verdict.
    """
    both = code([*first, *second])
    judge = code(judges if judges is not None else ["all"] * len(first))
    read = np.array([verdict is not None for verdict in first_wins], dtype=np.bool_)
    if not read.any():
        raise JudgmentsError("no duel has a verdict")
    return Duels(
        both.names,
        both.codes[: len(first)][read],
        both.codes[len(first) :][read],
        np.array([verdict for verdict in first_wins if verdict is not None], dtype=np.float64),
        Coded(judge.names, judge.codes[read]),
        np.bincount(judge.codes[~read], minlength=judge.size),
    )


def read_scores(text: str, without: Collection[str] = ()) -> Scores:
    """Return the scores of a CSV with the columns `item,judge,score` and any groups.

    An empty score, or `nan`, is missing. The judges in `without` are left out.

    Raises:
        JudgmentsError: The header or a row is wrong, or there is no score.
    """
    header, rows = _table(text, _SCORE_COLUMNS)
    groups: dict[str, list[str]] = {name: [] for name in header if name not in _SCORE_COLUMNS}
    items: list[str] = []
    judges: list[str] = []
    scores: list[float | None] = []
    for line, row in _leave_out(rows, without):
        if not row["item"]:
            raise JudgmentsError(f"line {line}: the item is empty")
        items.append(row["item"])
        judges.append(row["judge"])
        scores.append(_number(row["score"], line, "score"))
        for name, levels in groups.items():
            levels.append(row[name])
    return make_scores(items, judges, scores, groups)


def read_duels(text: str, without: Collection[str] = ()) -> Duels:
    """Return the duels of a CSV with the columns `first,second,first_wins` and perhaps `judge`.

    `first_wins` is 1, 0, 0.5 for a tie, or empty (or `nan`) where no verdict could be read. Other
    columns are ignored. The judges in `without` are left out.

    Raises:
        JudgmentsError: The header or a row is wrong, or there is no verdict.
    """
    _, rows = _table(text, _DUEL_COLUMNS)
    first: list[str] = []
    second: list[str] = []
    judges: list[str] = []
    verdicts: list[float | None] = []
    for line, row in _leave_out(rows, without):
        if not row["first"] or not row["second"]:
            raise JudgmentsError(f"line {line}: an item is empty")
        if row["first"] == row["second"]:
            raise JudgmentsError(f"line {line}: {row['first']} is compared with itself")
        verdict = _number(row["first_wins"], line, "first_wins")
        if verdict not in {None, 0.0, 0.5, 1.0}:
            raise JudgmentsError(
                f"line {line}: first_wins is {row['first_wins']!r}, not 1, 0, 0.5 or empty"
            )
        first.append(row["first"])
        second.append(row["second"])
        judges.append(row.get("judge", "all"))
        verdicts.append(verdict)
    return make_duels(first, second, verdicts, judges)


def _leave_out(
    rows: Iterable[tuple[int, dict[str, str]]], without: Collection[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows without those of some judges.

    Raises:
        JudgmentsError: One of them judged nothing.
    """
    without = {unicodedata.normalize("NFC", name) for name in without}
    left = set(without)
    known: dict[str, None] = {}
    for line, row in rows:
        judge = row.get("judge", "")
        known[judge] = None
        if judge in without:
            left.discard(judge)
        else:
            yield line, row
    if left:
        names = ", ".join(filter(None, known)) or "not in the table"
        raise JudgmentsError(f"there is no judge {min(left)!r}; judges are {names}")


def _number(text: str, line: int, column: str) -> float | None:
    if not text:
        return None
    try:
        number = float(text.replace("_", "?"))  # Python reads 1_0 as 10
    except ValueError:
        raise JudgmentsError(f"line {line}: {column} is {text!r}, not a number") from None
    if math.isnan(number):
        return None
    if number != 0 and not _SMALLEST < abs(number) < _LARGEST:
        raise JudgmentsError(
            f"line {line}: {column} is {text}; numbers must be between {_SMALLEST:g} and"
            f" {_LARGEST:g} in size"
        )
    return number


def _table(
    text: str, required: Sequence[str]
) -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
    """Return the header and the rows, each with its line.

    Names are brought to the form NFC of Unicode, so that one that looks the same is the same.
    """
    text = unicodedata.normalize("NFC", text)
    # Not `splitlines`: it also breaks lines at characters that names may contain.
    lines = re.split(r"(?<=\n)|(?<=\r)(?!\n)", text.removeprefix("\ufeff"))
    reader = csv.reader(lines, strict=True)
    try:
        header = next(([name.strip() for name in cells] for cells in reader if cells), [])
    except csv.Error as error:
        raise _not_csv(1, error) from None
    if not header:
        raise JudgmentsError(f"the file is empty; its first line must name {','.join(required)}")
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise JudgmentsError(f"the header names {', '.join(map(repr, twice))} twice")
    if lacking := [name for name in required if name not in header]:
        raise JudgmentsError(
            f"the header lacks {', '.join(lacking)}; it names {', '.join(header)}"
            + ("; separate cells by commas" if len(header) == 1 else "")
        )
    return header, _rows(reader, header)


def _rows(reader: Any, header: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    line = reader.line_num
    try:
        for cells in reader:
            line = reader.line_num
            if not cells:
                continue
            if len(cells) != len(header):
                raise JudgmentsError(
                    f"line {line}: {len(cells)} cells, but the header has {len(header)}"
                )
            yield line, {name: text.strip() for name, text in zip(header, cells, strict=True)}
    except csv.Error as error:
        raise _not_csv(line + 1, error) from None


def _not_csv(line: int, error: csv.Error) -> JudgmentsError:
    """Return an error about the row that begins at a line."""
    return JudgmentsError(f"line {line}: {not_csv(error)}")
