"""Where an answer states a score: the forms that are read, and what could be one."""

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal

import attrs

from daydreaming_dagster.domain.parsing import phrases
from daydreaming_dagster.domain.parsing.lines import Line
from daydreaming_dagster.domain.parsing.response import NotReadableError, Score
from daydreaming_dagster.domain.parsing.values import (
    NUMBER_WORDS,
    numbers_in,
    read_scale,
    read_statement,
    read_value,
)

Kind = Literal["total", "plain", "criterion", "sentence", "mention", "afterwards"]
"""What a statement is.

`total`, `plain` and `criterion` stand on a line of their own: `Overall: 7`, `SCORE: 7`, and the
latter under the title of a criterion. A `sentence` says what the final score is. A `mention` is
read by no form, and must not contradict. `afterwards` is one that counts below the verdict only.
"""


@attrs.frozen
class Statement:
    """A place where a score is stated; `score` is None where it cannot be read."""

    kind: Kind
    line: Line
    score: Score | None = None
    reason: str = ""
    alternatives: tuple[Score, ...] = ()
    asked: bool = False

    def __str__(self) -> str:
        return f"line {self.line.number}, {self.line.text[:_QUOTED]!r}"


_QUOTED: Final = 70
_LABEL: Final = re.compile(
    r"(?P<total>(?:(?:final|overall|total|grand)\b\s?){1,4})?"
    r"(?P<noun>score|rating|grade|mark|verdict|evaluation|assessment|judge?ment|result|answer)?"
    rf"(?:\s(?:for|of)\s(?:the|this)\s{phrases.ESSAY})?\s?"
    r"(?:[(\[](?P<scale>[^()\[\]]{1,60})[)\]]\s?)?(?P<end>[:=]|-\s|$|(?=\d))",
    re.IGNORECASE,
)
_ALONE: Final = re.compile(
    r"\[\[(?P<double>[^\[\]]{1,20})\]\]|(?:\$|\\\[|\\\()?\s?\\boxed\{(?P<boxed>[^{}]{1,20})\}\s?"
    r"(?:\$|\\\]|\\\))?|<(?P<tag>(?:(?:final|overall|total) )?(?:score|rating))>"
    r"(?P<tagged>[^<>]{1,30})</(?P=tag)>",
    re.IGNORECASE,
)
_TAG: Final = re.compile(r"<(?:(?:final|overall|total) )?(?:score|rating)>", re.IGNORECASE)
_ASKED: Final = re.compile(r"SCORE\s?:")

_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s")


def find_statements(lines: Sequence[Line]) -> Iterator[Statement]:
    """Yield each place of an answer where a score is stated, or could be, in order."""
    position = 0
    while position < len(lines):
        statement, used = _own_lines(lines, position)
        if statement is not None:
            yield statement
        elif used == 0:
            yield from _within(lines[position])
        position += max(used, 1)


def _own_lines(lines: Sequence[Line], i: int) -> tuple[Statement | None, int]:
    """Return the statement that a line is by itself, and how many lines it and its label take.

    That is (None, 1) for a label that is a heading, and (None, 0) for a line of prose.
    """
    line = lines[i]
    label = _label(line.text)
    if label is None:
        return _without_label(lines, i)
    if label["end"] == "" and label.end() < len(line.text):
        return _without_colon(line, label)
    kind: Kind = "total" if label["total"] else "plain"
    value = line.text[label.end() :].strip()
    if not value:
        return _on_next_line(kind, lines, i, label)
    if not _expects_number(label) and not phrases.BEGINS_NUMBER.match(value):
        return None, 0  # Overall: a fine essay
    return _read(kind, line, value, label), 1


def _without_label(lines: Sequence[Line], i: int) -> tuple[Statement | None, int]:
    """Return the statement of a form that has no label: `[[8]]`, `<score>8</score>`."""
    line, inside = lines[i], lines[i + 1 : i + 2]
    alone = _ALONE.fullmatch(line.text.rstrip("."))
    if alone is not None:
        found = next(filter(None, alone.group("double", "boxed", "tagged")))
        return _read("plain", line, found.strip()), 1
    closing = [below.text for below in lines[i + 2 : i + 3]]
    if _TAG.fullmatch(line.text) and closing == [f"</{line.text[1:]}"]:
        return _read("plain", inside[0], inside[0].text), 3
    return None, 0


def _label(text: str) -> re.Match[str] | None:
    """Return the label that a line begins with: that of a total, or `Score` or `Rating`."""
    label = _LABEL.match(text)
    if label is None or not (label["total"] or (label["noun"] or "").lower() in _OF_ITSELF):
        return None
    return label


_OF_ITSELF: Final = ("score", "rating")


def _expects_number(label: re.Match[str]) -> bool:
    return (label["noun"] or "").lower() in ("score", "rating", "grade", "mark")


def _without_colon(line: Line, label: re.Match[str]) -> tuple[Statement | None, int]:
    """Return the statement of a total that has its scale: `Final score 7/10`."""
    if label["total"] and label[0].endswith(" "):
        statement = _read("total", line, line.text[label.end() :], label)
        if statement.score is not None and statement.score.maximum is not None:
            return statement, 1
    return None, 0


def _on_next_line(
    kind: Kind, lines: Sequence[Line], i: int, label: re.Match[str]
) -> tuple[Statement | None, int]:
    """Return the statement of a label with its number below it, if it is not a heading."""
    if i + 1 == len(lines):
        return Statement(kind, lines[i], reason="no number after it"), 1
    below = lines[i + 1]
    if _label(below.text) is not None:
        return None, 1
    statement = _read(kind, lines[i], below.text, label)
    if statement.score is not None:
        return attrs.evolve(statement, line=below), 2
    if below.item or not phrases.NUMBER.search(below.text):
        return None, 1
    return statement, 2


def _read(kind: Kind, line: Line, value: str, label: re.Match[str] | None = None) -> Statement:
    asked = label is not None and _ASKED.match(line.text) is not None
    try:
        score = read_statement(value)
        if label is not None and label["scale"] is not None:
            score = _on_scale(score, label["scale"])
    except NotReadableError as error:
        reason = f"{value[:_QUOTED]!r} is not one number ({error})"
        return Statement(kind, line, None, reason, tuple(numbers_in(value)), asked)
    return Statement(kind, line, score, asked=asked)


def _on_scale(score: Score, words: str) -> Score:
    scale = read_scale(words)
    if scale is None:
        raise NotReadableError(f"the scale {words!r} is not known")
    low, maximum = scale
    if score.maximum not in (None, maximum) or (score.minimum is not None and low != score.minimum):
        raise NotReadableError(f"the scale is {words!r}")
    return Score(score.value, maximum, low)


def _within(line: Line) -> Iterator[Statement]:
    """Yield the statements within the sentences of a line."""
    kind: Kind
    for sentence in _SENTENCE_END.split(line.text):
        part = attrs.evolve(line, text=sentence)
        if phrases.HYPOTHETICAL.search(sentence):
            continue
        upper = phrases.UPPERCASE.search(sentence)
        if upper is not None:
            yield _uppercase(part, upper)
            continue
        said = phrases.SENTENCE.match(sentence)
        if said is not None and not phrases.FOR_A_CRITERION.search(sentence):
            yield _read("sentence", part, sentence[said.end() :])
            continue
        mention = phrases.MENTIONS.search(sentence)
        kind = "mention"
        if mention is None:
            mention, kind = _number_afterwards(part), "afterwards"
        if mention is not None:
            yield _mention(kind, part, mention)


def _number_afterwards(line: Line) -> re.Match[str] | None:
    """Return the number by which a sentence may take back a verdict above it."""
    if phrases.CONFIDENCE.search(line.text):
        return None
    if phrases.AFTERWARDS.search(line.text):
        return phrases.NUMBER.search(line.text)
    return None if line.item else phrases.BARE_NUMBER.search(line.text)


def _uppercase(line: Line, label: re.Match[str]) -> Statement:
    """Return the statement after `SCORE:`, which may begin a sentence or be quoted in one."""
    before = line.text[: label.start()]
    if phrases.LEADS_ELSEWHERE.search(before):
        return Statement("mention", line, reason="it is part of a sentence around it")
    kind: Kind = "mention" if before or line.item else "plain"
    return attrs.evolve(_read(kind, line, line.text[label.end() :].strip()), asked=True)


def _mention(kind: Kind, line: Line, match: re.Match[str]) -> Statement:
    """Return a statement that is not read, but has to agree with the one that is."""
    if kind == "afterwards":
        number = phrases.NUMBER.search(match[0])
    else:
        number = phrases.NUMBER_AT_END.search(match[0])
    start = match.start() + (0 if number is None else number.start())
    try:
        score, _ = read_value(line.text[start:])
    except NotReadableError:
        word = line.text[start:].split()[0].lower().strip(".,")
        score = Score(float(NUMBER_WORDS.get(word, -1)))
    return Statement(kind, line, score)
