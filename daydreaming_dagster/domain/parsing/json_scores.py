"""The parser for judges that answer in JSON."""

import json
from collections.abc import Iterator
from typing import Final

from daydreaming_dagster.domain.parsing.lines import line_number, read_lines
from daydreaming_dagster.domain.parsing.reasoning import after_lone_closing, split_reasoning
from daydreaming_dagster.domain.parsing.response import NotReadableError, ParsedResponse, Score
from daydreaming_dagster.domain.parsing.values import agree, read_statement
from daydreaming_dagster.domain.parsing.verdicts import find_statements

_SCORE_KEYS: Final = ("score", "overall_score", "final_score", "total_score")
_MAXIMUM_KEYS: Final = ("max_score", "score_max", "maximum_score", "maximum", "max")
_MINIMUM_KEYS: Final = ("min_score", "score_min", "minimum_score", "minimum", "min")
_LARGEST: Final = 1e6  # a float could not hold every whole number that JSON can


def parse_json_score(response: str) -> ParsedResponse:
    """Return the score and the reasoning of a judge that answers in JSON.

    The answer has one object with a `score` (or `overall_score`, …), a number or a string such
    as `"7"` or `"7/10"`; `max_score` is its scale. There may be prose or a fence around it. The
    text is the string `reasoning`, and below it the score as `SCORE: 7`.

    Raises:
        NotReadableError: There is no such object, or something else in the answer contradicts
            it: another key, another object, the prose.
    """
    text, start = after_lone_closing(split_reasoning(response))
    found: list[tuple[Score, str, int]] = []
    prose: list[str] = []
    position = 0
    for begin, stop, document in _objects(text):
        prose.append(text[position:begin])
        position = stop
        score = _score(document)
        if score is not None:
            reasoning = document.get("reasoning")
            found.append((score, reasoning if isinstance(reasoning, str) else "", start + begin))
    if not found:
        raise NotReadableError('no JSON object with a score, such as {"score": 7}')
    score, reasoning, place = found[-1]
    line = line_number(response[:place])
    for other, _, elsewhere in found[:-1]:
        if agree(score, other) is None:
            another = f"{other} in line {line_number(response[:elsewhere])}"
            raise NotReadableError(f"two scores: {score} in line {line}, {another}")
    above = find_statements(list(read_lines("\n".join(prose))))
    below = find_statements(list(read_lines(text[position:])))
    for statement in (*(stated for stated in above if stated.kind != "afterwards"), *below):
        if statement.score is not None and agree(score, statement.score) is None:
            raise NotReadableError(f"two scores: {score} in line {line}, {statement.line.text!r}")
    return ParsedResponse(f"{reasoning.strip()}\n\nSCORE: {score}".strip(), score, line)


def _objects(text: str) -> Iterator[tuple[int, int, dict[str, object]]]:
    """Yield where each JSON object of a text begins and ends, and the object.

    Raises:
        NotReadableError: A brace begins something else. What follows might be a part of it.
    """
    decoder = json.JSONDecoder(object_pairs_hook=_each_key_once, parse_constant=_refuse_constant)
    position = text.find("{")
    while position >= 0:
        try:
            document, stop = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            raise NotReadableError(f"not one JSON object: {error}") from None
        yield position, stop, document
        position = text.find("{", stop)


def _score(document: dict[str, object]) -> Score | None:
    """Return the score of an object with its scale, None where it has none."""
    scores = [_stated(key, document[key]) for key in _SCORE_KEYS if key in document]
    if not scores:
        return None
    score = scores[0]
    maximum, minimum = _end(document, _MAXIMUM_KEYS), _end(document, _MINIMUM_KEYS)
    if maximum is not None:
        scores.append(Score(score.value, maximum, minimum))
    for other in scores[1:]:
        agreed = agree(score, other)
        if agreed is None:
            raise NotReadableError(f"two scores, {score} and {other}, in one object")
        score = agreed
    return score


def _stated(key: str, value: object) -> Score:
    if isinstance(value, str) and (line := next(read_lines(value), None)) is not None:
        try:
            return read_statement(line.text)
        except NotReadableError as error:
            raise NotReadableError(f"{key} is not a number, but {value!r:.40} ({error})") from None
    return Score(_finite(key, value))


def _end(document: dict[str, object], keys: tuple[str, ...]) -> float | None:
    """Return an end of the scale that an object names, None where it names none."""
    ends = {_finite(key, document[key]) for key in keys if document.get(key) is not None}
    if len(ends) > 1:
        raise NotReadableError(f"an object names two ends of its scale: {sorted(ends)}")
    return next(iter(ends), None)


def _finite(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _LARGEST:
        raise NotReadableError(f"{key} is not a number, but {value!r:.40}")
    return float(value)


def _each_key_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError("duplicate key")
    return document


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON value")
