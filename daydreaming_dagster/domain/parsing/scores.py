"""Parsers that read a judge's score."""

import json
import re
from typing import Final

from daydreaming_dagster.domain.parsing.response import NotReadableError, ParsedResponse, Score
from daydreaming_dagster.domain.parsing.text_blocks import without_reasoning

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
        for line in without_reasoning(response).splitlines()
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
    text = without_reasoning(response).strip()
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
