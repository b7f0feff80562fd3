"""From a model's answer to the text, or the score, that the next step uses."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import attrs

from daydreaming_dagster.domain.errors import CatalogError, ResponseParseError
from daydreaming_dagster.types import STAGES, JsonObject, Stage
from daydreaming_dagster.wording import counted

DEFAULT_MAXIMUM: Final = 9.0
"""The best score where neither answer nor template catalog say one: templates ask for 0 to 9."""


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
        minimum_lines: How many lines that are not blank the text has at least.
    """

    parser: str
    parse: Parser
    needs_score: bool = False
    score_maximum: float = DEFAULT_MAXIMUM
    minimum_lines: int = 0

    def __call__(self, response: str, *, truncated: bool = False) -> ParsedResponse:
        """Return what the parser reads; a score in it knows its maximum.

        `truncated` says that the endpoint cut the answer off (finish reason `length`).

        Raises:
            ResponseParseError: The answer was cut off, is not what the parser reads, has fewer
                lines than asked for, no score where one is needed, or one that is not between
                0 and its maximum.
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
        parsed = self.parse(response)
        lines = sum(1 for line in parsed.text.splitlines() if line.strip())
        if lines < self.minimum_lines:
            raise NotReadableError(
                f"{counted(lines, 'line')}, and at least {self.minimum_lines} are due"
            )
        return attrs.evolve(parsed, score=self._scaled(parsed.score))

    def _scaled(self, score: Score | None) -> Score | None:
        if score is None:
            if self.needs_score:
                raise NotReadableError("the parser reads no score, and an evaluation has one")
            return None
        maximum = self.score_maximum if score.maximum is None else score.maximum
        if not 0 <= score.value <= maximum or maximum == 0:
            raise NotReadableError(f"score {score} is outside 0 to {maximum:g}")
        return Score(score.value, maximum)


def parse_identity(response: str) -> ParsedResponse:
    """Return the answer as it is."""
    return ParsedResponse(response)


# Blocks of text between tags


def parse_essay_block(response: str) -> ParsedResponse:
    """Return the text of the last `<essay>` block that is closed.

    Where none is closed, that is the rest of the answer after the last opening tag.

    Raises:
        NotReadableError: There is no block, or it is blank.
    """
    return _essay(response, otherwise=None)


def parse_essay_block_lenient(response: str) -> ParsedResponse:
    """Return the text of the `<essay>` block; without one, the whole answer.

    Thinking that is marked as such is dropped first.

    Raises:
        NotReadableError: What would be returned is blank.
    """
    spoken = _spoken(response)
    return _essay(spoken, otherwise=spoken)


def parse_essay_idea_last(response: str) -> ParsedResponse:
    """Return the `<essay-idea>` block with the highest `stage="n"`.

    Blocks without a stage come before all others, and among equals the last one counts.

    Raises:
        NotReadableError: There is no block, or the one that counts is blank or not closed: an
            earlier one in its place would lack the later concepts.
    """
    blocks = list(_blocks("essay-idea", response))
    if not blocks:
        raise NotReadableError("there is no <essay-idea> block")
    number, last = max(enumerate(blocks), key=lambda block: (block[1].stage, block[0]))
    if not last.closed:
        raise NotReadableError(f"<essay-idea> block {number + 1} is not closed")
    return _not_blank("essay-idea", last.text)


@attrs.frozen
class _Block:
    text: str
    closed: bool
    stage: int


def _blocks(name: str, text: str) -> Iterator[_Block]:
    """Yield what stands between tags; where one is not closed, up to the next or the end."""
    tags = list(re.finditer(rf"<(?P<end>/)?{name}(?P<attributes>\s[^<>]*)?>", text, re.IGNORECASE))
    for i, tag in enumerate(tags):
        if tag["end"]:
            continue
        following = tags[i + 1] if i + 1 < len(tags) else None
        stage = re.search(r"\bstage\s*=\s*[\"']?(\d{1,9})", tag["attributes"] or "")
        yield _Block(
            text[tag.end() : None if following is None else following.start()],
            closed=following is not None and following["end"] is not None,
            stage=-1 if stage is None else int(stage[1]),
        )


def _essay(text: str, otherwise: str | None) -> ParsedResponse:
    blocks = list(_blocks("essay", text))
    if blocks:
        closed = [block for block in blocks if block.closed]
        return _not_blank("essay", (closed or blocks)[-1].text)
    if otherwise is None:
        raise NotReadableError("there is no <essay> block")
    return _not_blank("essay", otherwise)


def _not_blank(name: str, text: str) -> ParsedResponse:
    if not text.strip():
        raise NotReadableError(f"the {name} is blank")
    return ParsedResponse(text.strip())


_THINKING: Final = re.compile(r"<(?P<end>/)?think(?:ing)?>", re.IGNORECASE)


def _spoken(response: str) -> str:
    """Return the answer without the thinking that is marked in it.

    Thinking that is not closed goes on to the end. What a lone closing tag ends was thinking
    too: some endpoints have the opening tag in the prompt.
    """
    spoken: list[str] = []
    start, thinking = 0, False
    for tag in _THINKING.finditer(response):
        if not thinking and not tag["end"]:
            spoken.append(response[start : tag.start()])
        thinking, start = not tag["end"], tag.end()
    return "".join(spoken if thinking else [*spoken, response[start:]])


# Scores


def parse_score_line(response: str) -> ParsedResponse:
    """Return the score that a judge gives at the end of an answer.

    That is the last line that begins with `score`, `final score`, `total score` or
    `overall score` (Markdown emphasis aside) and goes on with the number, or has it on the next
    line:
    `SCORE: 7`, `**Final Score**:` and below it `**4/10**`, `Score (0-10): 6.5`. In a list, only
    a total counts: the other scores there are those of single criteria. Where no line begins so,
    a sentence can give the score: `The final score is 6 out of 10.`, or `SCORE: 7` within it.

    What a judge thinks or quotes does not count. A person could take some answers in two ways
    (`7-8`, `6.5 → 7`, a sentence that names another score than the line above it): no guess is
    made.

    Raises:
        NotReadableError: There is no score, or none that can be read without a guess.
    """
    lines = [
        _EMPHASIS.sub("", line).strip()
        for line in _spoken(response).splitlines()
        if not line.lstrip().startswith(">")
    ]
    lines = [line for line in lines if line]
    stated: Score | None = None
    for index in reversed(range(len(lines))):
        label = _LABEL.match(lines[index])
        if label is None:
            sentence = _SENTENCE.search(lines[index])
            if sentence is not None and stated is None:
                stated = _score(sentence)
        elif label["total"] or not label["item"]:
            score = _labelled(label, lines[index : index + 2])
            if stated not in (None, score):
                raise NotReadableError(f"two scores, {score} and {stated}")
            return ParsedResponse(str(score), score)
    if stated is None:
        raise NotReadableError("no line gives a score, such as 'SCORE: 7'")
    return ParsedResponse(str(stated), stated)


_EMPHASIS: Final = re.compile(r"[_#`]|\*(?=\S)|(?<=\S)\*")  # a star and a space begin an item
_NUMBER: Final = r"\d{1,6}(?:\.\d{1,6})?"
_OF: Final = r"[/\u2044\u2215]|(?:out\s+)?of\b"
_VALUE: Final = (
    rf"(?P<value>{_NUMBER})(?:\s*(?:points?|pts)?\s*\(?(?:{_OF})\s*(?P<maximum>{_NUMBER}))?"
    # A number that goes on (7-8, 4 + 3, 7,5, 85 %, 6.5 → 7) is none that is read without a guess.
    r"(?![\w%]|[.,]\d|\s*(?:[+*/=%\u2192\u21d2]|-+>|[-\u2013\u2014]\s*\d|(?:or|to|and)\s+\d))"
)
_SCORE: Final = re.compile(_VALUE, re.IGNORECASE)
_LABEL: Final = re.compile(
    r"(?P<item>(?:[-+*•]|\d+[.)])\s+)?(?P<total>(?:(?:final|total|overall)\s+)+)?score\s*"
    r"(?:\((?P<scale>[^()]*)\)\s*)?(?:[:=]|$)",
    re.IGNORECASE,
)
_SCALE: Final = re.compile(
    rf"(?:[01]\s*(?:[-\u2013]|to\b)|{_OF}|max(?:imum)?\b)\s*(?P<maximum>{_NUMBER})", re.IGNORECASE
)
_SENTENCE: Final = re.compile(
    r"(?:(?i:\b(?:final|total|overall)\s+score\s+(?:is|of)\s)|(?<![-+*•] )\bSCORE:)\s*" + _VALUE
)


def _labelled(label: re.Match[str], lines: list[str]) -> Score:
    """Return the score after a label, in its line or the next."""
    found = lines[0][label.end() :].strip() or "".join(lines[1:])
    match = _SCORE.match(found)
    if match is None:
        raise NotReadableError(f"no single number after the label of the score, but {found[:40]!r}")
    score = _score(match)
    if label["scale"] is None:
        return score
    scale = _SCALE.fullmatch(label["scale"].strip())
    maximum = None if scale is None else float(scale["maximum"])
    if maximum is None or score.maximum not in (None, maximum):
        raise NotReadableError(f"the scale of {label[0]!r} is not that of {found[:40]!r}")
    return Score(score.value, maximum)


def _score(match: re.Match[str]) -> Score:
    maximum = match["maximum"]
    return Score(float(match["value"]), None if maximum is None else float(maximum))


def parse_json_score(response: str) -> ParsedResponse:
    """Return the score and the reasoning of a judge that answers in JSON.

    The answer is one object with a string `reasoning` and a number `score`, alone or in one
    Markdown code block; thinking before it is dropped. The text is the reasoning, and below
    it the score as `SCORE: 7`.

    Raises:
        NotReadableError: It is something else.
    """
    text = _spoken(response).strip()
    fenced = re.fullmatch(r"```(?:json)?\s(?P<body>.*)```", text, re.DOTALL | re.IGNORECASE)
    try:
        document = json.loads(
            text if fenced is None else fenced["body"],
            object_pairs_hook=_each_key_once,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError) as error:
        raise NotReadableError(f"not one JSON object: {error}") from None
    if not isinstance(document, dict):
        raise NotReadableError(f"not a JSON object, but {document!r:.40}")
    value, reasoning = document.get("score"), document.get("reasoning")
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _LARGEST:
        raise NotReadableError(f"score is no number, but {value!r:.40}")
    if not isinstance(reasoning, str):
        raise NotReadableError(f"reasoning is no text, but {reasoning!r:.40}")
    score = Score(float(value))
    return ParsedResponse(f"{reasoning.strip()}\n\nSCORE: {score}".strip(), score)


_LARGEST: Final = 1e6  # a float could not hold every whole number that JSON can


def _each_key_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError("a key is there twice")
    return document


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON value")


# The parsers by name

_TEXTS: Final[Mapping[str, Parser]] = {
    "identity": parse_identity,
    "essay_block": parse_essay_block,
    "essay_block_lenient": parse_essay_block_lenient,
    "essay_idea_last": parse_essay_idea_last,
}
_JUDGES: Final[Mapping[str, Parser]] = {
    "in_last_line": parse_score_line,
    "json_score": parse_json_score,
}
PARSERS: Final[Mapping[Stage, Mapping[str, Parser]]] = {
    stage: _JUDGES if stage == "evaluation" else _TEXTS for stage in STAGES
}
"""The built-in parsers of each stage by the name that a template's row in the catalog gives."""

RESPONSE_FORMATS: Final[Mapping[str, JsonObject]] = {
    "json_score": {
        "type": "json_schema",
        "json_schema": {
            "name": "judgement",
            "strict": True,
            "schema": {
                "type": "object",
                # In this order: a judge that reasons first has its reasons when it scores.
                "properties": {"reasoning": {"type": "string"}, "score": {"type": "number"}},
                "required": ["reasoning", "score"],
                "additionalProperties": False,
            },
        },
    },
}
"""What endpoints are asked to hold the answer to (`response_format`), by parser."""


def parser_name(stage: Stage, named: str) -> str:
    """Return the parser of a template: the one it names, or the stage's default where empty."""
    return named or ("in_last_line" if stage == "evaluation" else "identity")


def find_parser(name: str) -> ResponseReader:
    """Return a reader with the built-in parser of that name, whatever its stage, and no limits.

    Raises:
        CatalogError: There is none.
    """
    for parsers in PARSERS.values():
        if name in parsers:
            return ResponseReader(name, parsers[name])
    known = ", ".join(sorted({*_TEXTS, *_JUDGES}))
    raise CatalogError("the template catalog", (f"unknown parser {name!r}; known are {known}",))
