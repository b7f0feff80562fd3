"""From a model's answer to the text, or the score, that the next step uses."""

import re
from collections.abc import Callable, Mapping
from typing import Final

import attrs

from daydreaming_dagster.domain.errors import CatalogError, ResponseParseError
from daydreaming_dagster.types import Stage

DEFAULT_MAXIMUM: Final = 9.0
"""The best score where an answer states no maximum: templates ask for 0 to 9."""


@attrs.frozen
class Score:
    """A judge's score as given. `maximum` is None where the answer states none."""

    value: float
    maximum: float | None = None

    @property
    def normalised(self) -> float:
        """The score as a share of its maximum, 0 to 1."""
        return self.value / (DEFAULT_MAXIMUM if self.maximum is None else self.maximum)

    def __str__(self) -> str:
        return f"{self.value:g}" if self.maximum is None else f"{self.value:g}/{self.maximum:g}"


@attrs.frozen
class ParsedResponse:
    """What a parser reads in an answer; `score` only where the parser looks for one."""

    text: str
    score: Score | None = None


Parser = Callable[[str], ParsedResponse]


def parse_identity(response: str) -> ParsedResponse:
    """Return the answer as it is."""
    return ParsedResponse(response)


def parse_score_line(response: str) -> ParsedResponse:
    """Return the score that a judge gives at the end of an answer.

    That is the last line that begins with `score`, `final score`, `total score` or `overall
    score` (Markdown emphasis aside) and goes on with the number, or has it on the next line:
    `SCORE: 7`, `**Final Score**:` and below it `**4/10**`, `Total Score: 6.5 out of 10`. In a
    list, only a total counts: the other scores there are those of single criteria.

    Raises:
        ResponseParseError: There is no such line, what follows is no single number, or the
            number is below 0 or above its maximum.
    """
    lines = [_EMPHASIS.sub("", line).strip() for line in response.splitlines()]
    lines = [line for line in lines if line]
    for index in reversed(range(len(lines))):
        label = _LABEL.match(lines[index])
        if label is None or (label["item"] and not label["total"]):
            continue
        found = lines[index][label.end() :].strip() or "".join(lines[index + 1 : index + 2])
        return _score(found, response)
    raise _refusal("no line gives a score, such as 'SCORE: 7'", response)


_EMPHASIS: Final = re.compile(r"[_#`>]|\*(?=\S)|(?<=\S)\*")  # a star and a space begin an item
_LABEL: Final = re.compile(
    r"(?P<item>(?:[-+*•]|\d+[.)])\s+)?(?P<total>(?:final|total|overall)\s+)?score\s*(?:[:=]|$)",
    re.IGNORECASE,
)
_NUMBER: Final = r"\d{1,6}(?:\.\d{1,6})?"
_SCORE: Final = re.compile(
    # A number that goes on (7-8, 4 + 3, 7,5, 85%) is none that can be read without a guess.
    rf"(?P<value>{_NUMBER})(?:\s*(?:/|out of)\s*(?P<maximum>{_NUMBER}))?"
    r"(?!\d|[.,]\d|\s*[-\u2013+*/=%])",
    re.IGNORECASE,
)


def _score(found: str, response: str) -> ParsedResponse:
    match = _SCORE.match(found)
    if match is None:
        raise _refusal(
            f"no single number after the label of the score, but {found[:40]!r}", response
        )
    score = Score(
        float(match["value"]), None if match["maximum"] is None else float(match["maximum"])
    )
    limit = DEFAULT_MAXIMUM if score.maximum is None else score.maximum
    if score.value > limit or limit == 0:
        raise _refusal(f"score {score} is outside 0 to {limit:g}", response)
    return ParsedResponse(str(score), score)


def _refusal(reason: str, response: str) -> ResponseParseError:
    return ResponseParseError("in_last_line", reason, response[-200:])


PARSERS: Final[Mapping[str, Parser]] = {
    "identity": parse_identity,
    "in_last_line": parse_score_line,
}
"""The parsers by the name that a template's row in the catalog gives."""


def parser_name(stage: Stage, named: str) -> str:
    """Return the parser of a template: the one it names, or the stage's default where empty."""
    return named or ("in_last_line" if stage == "evaluation" else "identity")


def find_parser(name: str) -> Parser:
    """Return the parser of that name.

    Raises:
        CatalogError: There is none.
    """
    if name not in PARSERS:
        problem = f"unknown parser {name!r}; known are {', '.join(sorted(PARSERS))}"
        raise CatalogError("the template catalog", (problem,))
    return PARSERS[name]
