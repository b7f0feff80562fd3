"""The ratings that people sent back: plain CSV files beside the keys of their sheets."""

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, cast, get_args

import attrs

from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.documents import suggestion
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.loop.decisions import Verdict
from daydreaming_dagster.domain.parsing.response import Score
from daydreaming_dagster.domain.people.rating_files import SPREADSHEETS, holds_ratings
from daydreaming_dagster.domain.people.sheet import HIGHEST, KEY_SUFFIX, LOWEST, RatingSheet
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.formatting import counted, not_csv, not_utf8, other_separator

Preferred = Literal["first", "second", "tie"]

COLUMNS: Final = (
    *("sheet", "rater", "first", "second"),
    *("score", "preferred", "decision", "reason"),
)
"""The columns of an export. `second` is empty where one text was scored."""

CHANGED: Final = "the text has changed since it was rated"
GONE: Final = "the text is no longer in the cohort"


@attrs.frozen
class Rating:
    """What a person said of a text, or of two.

    Attributes:
        where: The file and line.
        rater: The person, as they call themselves.
        first: The text, or the one that was shown first.
        second: The text that was shown second, None where one was scored.
        score: The score of the first text.
        preferred: Which of the two is better.
        decision: What a loop should do with the text.
        reason: Why.
        stale: Why it is not about a present text, `""` if it is.
    """

    where: str
    rater: str
    first: GenerationRef
    second: GenerationRef | None = None
    score: Score | None = None
    preferred: Preferred | None = None
    decision: Verdict | None = None
    reason: str = ""
    stale: str = ""

    @property
    def said(self) -> tuple[object, ...]:
        """What was said, without where."""
        return (self.score, self.preferred, self.decision, self.reason)


def read_ratings(
    files: Mapping[str, bytes], texts: Mapping[GenerationRef, str | None], location: str
) -> list[Rating]:
    """Return the ratings in the files of a cohort's folder `ratings`.

    `texts` are the cohort's texts as they are now; None is a text that is gone. Files that are
    neither ratings nor a key are ignored. The same rating in two files counts once, so that a
    person may send a part and then the whole.

    Raises:
        CatalogError: A file is a spreadsheet or not an export, names an unknown sheet or text, or
            contradicts another one. Lists every problem with its file and line, and a missing key
            once for each file.
    """
    problems: list[str] = []
    digests = {ref: None if text is None else sha256(text) for ref, text in texts.items()}
    sheets = _read_keys(files, problems)
    found: dict[tuple[object, ...], Rating] = {}
    keyless = Counter[tuple[str, str]]()
    for name in sorted(filter(holds_ratings, files)):
        if name.lower().endswith(SPREADSHEETS):
            problems.append(
                f"{name} is not CSV; save it as CSV, with commas, and move it elsewhere"
            )
            continue
        for line, cells in _rows(name, files[name], problems):
            where = f"{name}, line {line}"
            if cells["sheet"] not in sheets:
                keyless[name, cells["sheet"]] += 1
                continue
            try:
                asked, rating = _rating(cells, where, sheets, digests)
            except ValueError as error:
                problems.append(f"{where}: {error}")
                continue
            before = found.setdefault(asked, rating)
            if before.said != rating.said:
                problems.append(f"{where}: differs from {before.where}; remove one of the two")
    for (name, sheet), rows in keyless.items():
        problems.append(
            f"{name}: the sheet {sheet!r} of {counted(rows, 'row')} has no key here; put "
            f"{sheet}{KEY_SUFFIX} beside it"
        )
    if problems:
        raise CatalogError(location, tuple(problems))
    return list(found.values())


def verdicts_of(ratings: Iterable[Rating]) -> dict[GenerationRef, Verdict]:
    """Return what people decided about each text; those who disagree defer it.

    Decisions about a text that has changed since do not count.
    """
    said: defaultdict[GenerationRef, set[Verdict]] = defaultdict(set)
    for rating in ratings:
        if rating.decision is not None and not rating.stale:
            said[rating.first].add(rating.decision)
    return {ref: each.pop() if len(each) == 1 else "defer" for ref, each in said.items()}


def _read_keys(files: Mapping[str, bytes], problems: list[str]) -> dict[str, RatingSheet]:
    sheets: dict[str, RatingSheet] = {}
    for name, data in files.items():
        if not name.endswith(KEY_SUFFIX):
            continue
        try:
            key = RatingSheet.from_document(json.loads(data), name)
        except CatalogError as error:
            problems += [f"{name}: {problem}" for problem in error.problems]
        except (ValueError, RecursionError) as error:
            problems.append(f"{name}: not JSON: {error}")
        else:
            sheets[key.sheet] = key
    return sheets


def _rows(name: str, data: bytes, problems: list[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the rows of an export, each with its line."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problems.append(f"{name} is {not_utf8(error)}")
        return
    # Not splitlines(): a reason may hold what Unicode calls a line end.
    reader = csv.reader((f"{line}\n" for line in text.split("\n")), strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        if lacking := [column for column in COLUMNS if column not in header]:
            hint = other_separator(header) or suggestion(lacking[0], header)
            problems.append(f"{name}, line 1: no column {', '.join(lacking)}{hint}")
            return
        for cells in reader:
            if cells and len(cells) != len(header):
                where = f"{name}, line {reader.line_num}"
                problems.append(f"{where}: expected {len(header)} cells, as in the header")
            elif cells:
                yield (
                    reader.line_num,
                    dict(zip(header, (cell.strip() for cell in cells), strict=True)),
                )
    except csv.Error as error:
        problems.append(f"{name}, line {reader.line_num}: {not_csv(error)}")


def _rating(
    cells: Mapping[str, str],
    where: str,
    sheets: Mapping[str, RatingSheet],
    digests: Mapping[GenerationRef, str | None],
) -> tuple[tuple[object, ...], Rating]:
    """Return what a row answers, so that two answers to it are found, and the rating.

    Raises:
        ValueError: The row is wrong.
    """
    name, rater, tokens = cells["sheet"], cells["rater"], [cells["first"], cells["second"]]
    if not rater:
        raise ValueError("the rater is empty")
    tokens = [token for token in tokens if token]
    key = {text.token: text for text in sheets[name].texts}
    if unknown := [token for token in tokens if token not in key]:
        raise ValueError(f"the sheet {name} has no text {unknown[0]!r}")
    if not cells["first"] or len(tokens) != len(set(tokens)):
        raise ValueError("first must name a text, and second none or another one")
    texts = [key[token] for token in tokens]
    second = texts[1].ref if texts[1:] else None
    score = _score(cells["score"])
    preferred = _choice("preferred", cells["preferred"], get_args(Preferred))
    decision = _choice("decision", cells["decision"], get_args(Verdict))
    if second is not None and (preferred is None or score is not None or decision is not None):
        raise ValueError("two texts are compared: preferred must say how, score and decision not")
    if second is None and (preferred is not None or (score is None and decision is None)):
        raise ValueError("one text is rated: score or decision must say how, preferred not")
    rating = Rating(
        where,
        rater,
        texts[0].ref,
        second,
        score,
        cast("Preferred | None", preferred),
        cast("Verdict | None", decision),
        cells["reason"],
        next((CHANGED for text in texts if digests.get(text.ref) != text.sha256), ""),
    )
    if any(text.ref not in digests for text in texts):
        rating = attrs.evolve(rating, stale=GONE)
    # Pairs are the same question in both orders; people are asked each once.
    return (rater, name, *sorted(tokens)), rating


def _score(cell: str) -> Score | None:
    if not cell:
        return None
    if not cell.isdecimal() or not LOWEST <= int(cell) <= HIGHEST:
        raise ValueError(f"score is {cell!r}, not a whole number from {LOWEST} to {HIGHEST}")
    return Score(int(cell), HIGHEST, LOWEST)


def _choice(column: str, cell: str, known: Sequence[str]) -> str | None:
    if cell and cell not in known:
        raise ValueError(f"{column} is {cell!r}, not one of {', '.join(known)}")
    return cell or None
