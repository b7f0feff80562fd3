"""What is read in a model's answer, and how the answers to a template are read."""

from collections.abc import Callable
from math import isfinite
from typing import Any, Final

import attrs

from daydreaming_dagster.domain.errors import ResponseParseError
from daydreaming_dagster.formatting import counted
from daydreaming_dagster.types import JsonObject

DEFAULT_MAXIMUM: Final = 9.0
"""The best score where neither answer nor template catalog say one: templates ask for 0 to 9."""


@attrs.frozen
class Score:
    """A judge's score as given.

    `maximum` and `minimum`, the ends of its scale, are None where the answer states none. A
    scale whose minimum nothing states begins at 0.
    """

    value: float
    maximum: float | None = None
    minimum: float | None = None

    @property
    def normalised(self) -> float:
        """The score as a share of its scale: 0 is the worst, 1 the best."""
        minimum = self.minimum or 0.0
        maximum = DEFAULT_MAXIMUM if self.maximum is None else self.maximum
        return (self.value - minimum) / (maximum - minimum)

    def __str__(self) -> str:
        return f"{self.value:g}" if self.maximum is None else f"{self.value:g}/{self.maximum:g}"


@attrs.frozen
class ParsedResponse:
    """What a parser reads in an answer; `score` only where the parser looks for one.

    Attributes:
        text: What is stored, and given to the next stage.
        score: The judge's score.
        line: The number of the line where the score or verdict was read, from 1.
        other_scales: The maxima that the answer names elsewhere, for a score without one.
    """

    text: str
    score: Score | None = None
    line: int | None = attrs.field(default=None, eq=False)
    other_scales: tuple[float, ...] = attrs.field(default=(), eq=False)


class NotReadableError(ValueError):
    """Raised by parsers, with the reason; `ResponseReader` adds which answer it was."""


Parser = Callable[[str], ParsedResponse]
"""Returns what it reads in an answer, or raises `NotReadableError`."""


@attrs.frozen
class ResponseReader:
    """How the answers to one template are read.

    Attributes:
        parser: The name of the parser, for messages and metadata.
        parse: The parser itself.
        needs_score: Whether an answer without a score is none, as for evaluations.
        score_maximum: The best score where the answer does not say one itself.
        score_minimum: The worst score. If it is not 0, an answer with a scale of its own is
            refused: it rarely says where that begins.
        minimum_lines: How many lines that are not blank the text has at least.
    """

    parser: str
    parse: Parser
    needs_score: bool = False
    score_maximum: float = DEFAULT_MAXIMUM
    score_minimum: float = 0.0
    minimum_lines: int = 0

    @property
    def settings(self) -> JsonObject:
        """What decides about an answer's text or score, besides the parser."""
        scale: JsonObject = {}
        if self.needs_score:
            scale = {"score_minimum": self.score_minimum, "score_maximum": self.score_maximum}
        return {**scale, "minimum_lines": self.minimum_lines}

    def __call__(self, response: str, *, truncated: bool = False) -> ParsedResponse:
        """Return what the parser reads; a score in it knows its scale.

        `truncated` says that the endpoint cut the answer off (finish reason `length`).

        Raises:
            ResponseParseError: The answer was cut off, is not what the parser reads, has fewer
                lines than asked for, no score where one is needed, or one that is outside its
                scale or of a scale that contradicts the template's.
        """
        try:
            return self._read(response, truncated=truncated)
        except NotReadableError as error:
            raise ResponseParseError(self.parser, str(error), response[-200:]) from None

    def _read(self, response: str, *, truncated: bool) -> ParsedResponse:
        if truncated:
            raise NotReadableError(
                "the answer was cut off; raise max_tokens in the sampling, or lower the reasoning"
            )
        parsed = self._parsed(response)
        lines = sum(1 for line in parsed.text.splitlines() if line.strip())
        if lines < self.minimum_lines:
            raise NotReadableError(
                f"{counted(lines, 'line')}, but the template requires at least {self.minimum_lines}"
            )
        return attrs.evolve(parsed, score=self._scaled(parsed))

    def _parsed(self, response: str) -> ParsedResponse:
        """Return what the parser returns, which may be of another package, and do anything."""
        try:
            parsed = self.parse(response)
        except NotReadableError:
            raise
        except Exception as error:
            raise NotReadableError(f"the parser itself failed: {error!r}") from error
        if not _is_whole(parsed):
            raise NotReadableError(f"the parser itself failed: it returned {parsed!r:.60}")
        return parsed

    def _scaled(self, parsed: ParsedResponse) -> Score | None:
        score = parsed.score
        if score is None:
            if self.needs_score:
                raise NotReadableError("the parser reads no score, and an evaluation has one")
            return None
        minimum, maximum = self.score_minimum, self.score_maximum
        if score.minimum not in (None, minimum) or (
            minimum and score.maximum not in (None, maximum)
        ):
            raise NotReadableError(
                f"the scale of {score} is not the template's, {minimum:g} to {maximum:g}; the"
                " template catalog says it as score_minimum and score_maximum"
            )
        if score.maximum is None and any(other != maximum for other in parsed.other_scales):
            scales = ", ".join(f"{other:g}" for other in parsed.other_scales)
            raise NotReadableError(
                f"the answer speaks of a scale to {scales}, and the template's is to {maximum:g}"
            )
        maximum = maximum if score.maximum is None else score.maximum
        if not minimum <= score.value <= maximum or minimum >= maximum:
            raise NotReadableError(f"score {score} is outside {minimum:g} to {maximum:g}")
        return Score(score.value, maximum, minimum or None)


def _is_whole(parsed: Any) -> bool:
    """Return whether this is a parsed response whose parts have the types that they should have."""
    if not isinstance(parsed, ParsedResponse):
        return False
    text: Any = parsed.text
    score: Any = parsed.score
    if not isinstance(text, str) or not isinstance(score, Score | None):
        return False
    ends: list[Any] = [] if score is None else [score.value, score.maximum, score.minimum]
    return all(end is None or (isinstance(end, int | float) and isfinite(end)) for end in ends)
