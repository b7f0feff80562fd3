"""The grammar of a judge's number: what may stand after `SCORE:`, and what it says."""

import re
from collections.abc import Iterator
from typing import Final

from daydreaming_dagster.domain.parsing.response import NotReadableError, Score

NUMBER_WORDS: Final = {
    word: value
    for value, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    )
} | {"fifteen": 15, "twenty": 20, "fifty": 50, "hundred": 100}
_WORD: Final = "|".join(NUMBER_WORDS)
_DIGITS: Final = r"\d{1,6}(?:\.\d{1,6})?"
_ENDS: Final = r"(?![\w.,:'/]?\d|\w)"  # 7,5 and 7.5.1 and 1'000 and 7e0 go on
_UNIT: Final = r"\s?(?:points?|pts?|p|stars?|marks?)\b\.?"
_FRACTIONS: Final = {
    "1/2": 0.5, "1/3": 1 / 3, "2/3": 2 / 3, "1/4": 0.25, "3/4": 0.75,
    "a half": 0.5, "a quarter": 0.25, "three quarters": 0.75,
}  # fmt: skip
_OPERAND: Final = (
    rf"(?P<number>{_DIGITS})"
    r"(?:\s(?:and\s)?(?P<fraction>[123]/[234](?![\d/.,])|a half|a quarter|three quarters))?"
)
_MAXIMUM: Final = rf"(?:an?\s)?(?:{_DIGITS}(?:(?={_UNIT})|{_ENDS})|(?:{_WORD})\b)"
_SPAN: Final = rf"(?P<low>[01])\s?(?:-|to|and)\s?(?P<high>{_MAXIMUM})"
_OF: Final = (
    r"(?:(?:out\s)?of|max(?:imum)?\.?(?:\sof)?\s?:?)\s"
    r"(?:(?:an?|the)\s)?(?:(?:possible|maximum|total|max\.?)\s(?:score\s)?(?:of\s)?)?"
)
SCALE: Final = re.compile(
    rf"(?:(?:on|from|using|in)\s)?(?:(?:an?|the)\s)?"
    rf"(?:scale\s?:?\s?)?(?:(?:of|from)\s)?(?:between\s)?{_SPAN}(?:\sscale|{_UNIT})?"
    rf"|(?:on\s)?(?:an?|the)\s(?P<points>{_DIGITS}|{_WORD})[\s-]points?\sscale"
    rf"|(?:{_OF}|/\s?)(?P<of>{_MAXIMUM})(?:{_UNIT})?(?:\s(?:possible|available|maximum|max))?"
    rf"(?:{_UNIT})?",
    re.IGNORECASE,
)
"""How an answer says its scale: `0-10`, `on a scale from 1 to 5`, `out of ten`, `max. 5`."""

_VALUE: Final = re.compile(
    rf"{_OPERAND}(?:{_UNIT})?"
    rf"(?:\s?(?P<percent>%|percent\b|per\scent\b)|\s?[/\\]\s?(?P<slash>{_DIGITS})"
    rf"(?:{_UNIT}|{_ENDS})|{_ENDS})",
    re.IGNORECASE,
)
_MORE_SCALE: Final = re.compile(r"(?:,\s?|\s?-\s|\s)?(?:(?P<open>[(\[])\s?)?", re.IGNORECASE)
_CLOSING: Final = {"(": ")", "[": "]"}


def read_scale(text: str) -> tuple[float | None, float] | None:
    """Return the lower end, None where it is not said, and the maximum of a scale in words."""
    match = SCALE.fullmatch(text.strip())
    return None if match is None else _ends(match)


def _ends(match: re.Match[str]) -> tuple[float | None, float]:
    maximum = _number(match["high"] or match["points"] or match["of"])
    return (float(match["low"]) if match["low"] else None), maximum


def _number(text: str) -> float:
    word = text.lower().removeprefix("a ").removeprefix("an ").strip()
    return float(NUMBER_WORDS[word]) if word in NUMBER_WORDS else float(word)


def agree(one: Score, other: Score) -> Score | None:
    """Return what two statements say together; None where they contradict each other.

    Of different scales they agree as shares. Where only one names its scale, their numbers agree.
    """
    if one.maximum is None or other.maximum is None:
        if one.value != other.value:
            return None
        return one if other.maximum is None else other
    if one.maximum == other.maximum:
        ends = {one.minimum, other.minimum} - {None}
        if one.value != other.value or len(ends) > 1:
            return None
        return other if one.minimum is None else one
    if one.maximum == 0 or other.maximum == 0 or one.minimum or other.minimum:
        return None
    same = abs(one.value / one.maximum - other.value / other.maximum) < _SAME
    return one if same else None


_SAME: Final = 1e-9


def read_value(text: str) -> tuple[Score, str]:
    """Return the number at the beginning of a text, with its scale, and the rest of the text.

    Raises:
        NotReadableError: The text does not begin with one, or it goes on as another number.
    """
    match = _VALUE.match(text)
    if match is None:
        raise NotReadableError("no number")
    value = float(match["number"]) + _FRACTIONS.get((match["fraction"] or "").lower(), 0.0)
    rest = text[match.end() :]
    if match["percent"]:
        return Score(value, 100.0), rest
    if match["slash"]:
        return Score(value, float(match["slash"])), rest
    more = _MORE_SCALE.match(rest)
    scale = None if more is None else SCALE.match(rest, more.end())
    bare = scale is not None and scale[0][0].isdigit() and not (more and more["open"])
    if more is None or scale is None or bare:
        if "star" in match[0].lower():
            raise NotReadableError("stars without their number")
        return Score(value), rest
    rest = rest[scale.end() :]
    if more["open"]:
        closing = _CLOSING[more["open"]]
        if not rest.startswith(closing):
            raise NotReadableError("a scale and more")
        rest = rest[1:]
    low, maximum = _ends(scale)
    return Score(value, maximum, low), rest


_LABEL_AGAIN: Final = re.compile(
    r"(?:\b(?:final|overall|total)\s){0,2}\b(?:score|rating)\s?[:=]", re.IGNORECASE
)
_TOTAL_OF_PARTS: Final = re.compile(
    r"(?:[,;]|\s-)\s?(?:and\s)?(?:in\s)?(?:total|overall|sum|altogether)(?:\s?[:=]|\sis|\sof)?\s",
    re.IGNORECASE,
)
_MOST_SIDES: Final = 9


def read_statement(text: str) -> Score:
    """Return what stands after a label: a number, its scale, and words that leave it as it is.

    The same number may be there again (`8/10 = 80%`), or as a sum that comes to it.

    Raises:
        NotReadableError: It could be taken in two ways.
    """
    repeated = [part.strip(" .,;|") for part in _LABEL_AGAIN.split(text)]
    sides = [side.strip() for side in text.split("=")]
    if max(len(repeated), len(sides)) > _MOST_SIDES:
        raise NotReadableError("too many numbers")
    if len(repeated) > 1:
        return _together([read_statement(part) for part in repeated if part])
    if len(sides) > 1:
        return _together([*(_calculate(side) for side in sides[:-1]), _last_side(sides[-1])])
    parts = _TOTAL_OF_PARTS.split(text, 1)
    if len(parts) > 1:
        return _together([_calculate(re.sub("[,;]", " +", parts[0])), _worded(parts[1])])
    return _worded(text)


def _last_side(text: str) -> Score:
    try:
        return _worded(text)
    except NotReadableError:
        return _calculate(text)


def _together(scores: list[Score]) -> Score:
    together = scores[0]
    for score in scores[1:]:
        agreed = agree(together, score)
        if agreed is None:
            raise NotReadableError(f"{together} and {score}")
        together = agreed
    return together


_OPERATOR: Final = re.compile(
    r"\s?(?P<operator>[-+*]|\b(?:plus|minus|times|x)\b)\s?", re.IGNORECASE
)
_SIGNS: Final = {"+": "+", "plus": "+", "-": "-", "minus": "-", "*": "*", "times": "*", "x": "*"}
_OF_A_PART: Final = re.compile(r"\s?\([^()\d]{1,60}\)|\sfor\s[a-z ]{1,30}")


def _calculate(text: str) -> Score:
    """Return what a sum, difference or product comes to; of fractions, the sum of both sides."""
    operands: list[Score] = []
    signs: list[str] = []
    rest = text
    while True:
        score, rest = read_value(rest)
        operands.append(score)
        rest = _OF_A_PART.sub("", rest, count=1) if _OF_A_PART.match(rest) else rest
        operator = _OPERATOR.match(rest)
        if operator is None or len(operands) > _MOST_SIDES:
            break
        signs.append(_SIGNS[operator["operator"].lower()])
        rest = rest[operator.end() :]
    if rest.strip():
        raise NotReadableError("no sum that can be checked")
    if len(operands) == 1:
        return operands[0]
    if set(signs) == {"+"} and all(score.maximum is not None for score in operands):
        maxima = [score.maximum or 0.0 for score in operands]
        return Score(sum(score.value for score in operands), sum(maxima))
    if any(score.maximum is not None for score in operands):
        raise NotReadableError("no sum that can be checked")
    terms = [operands[0].value]
    for sign, score in zip(signs, operands[1:], strict=True):
        if sign == "*":
            terms[-1] *= score.value
        else:
            terms.append(score.value if sign == "+" else -score.value)
    return Score(round(sum(terms), 6))


def _worded(text: str) -> Score:
    score, rest = read_value(text)
    return _after_value(score, rest)


_BEGINS_WORDS: Final = re.compile(
    r"\s?[.!;,:](?:\s|$)|\s-\s|\s?[(\[|]|\s?->\s|\s(?:for|because|since|given|due|based|as)\b"
    r"|\s(?:is|seems)\s(?:fair|right|appropriate|just|justified|warranted|deserved)\b",
    re.IGNORECASE,
)
_AGAIN_OF_A_PART: Final = re.compile(r"\s?[(\[]\s?=?\s?(?P<again>[^()\[\]]{1,30})[)\]]")
_PIECE: Final = (
    rf"(?:[a-z][a-z' &-]{{0,40}}[:=]?\s?{_DIGITS}(?:\s?/\s?{_DIGITS})?"
    rf"|{_DIGITS}(?:\s?/\s?{_DIGITS})?\s[a-z][a-z' &-]{{0,40}})"
)
_BREAKDOWN: Final = re.compile(
    rf"\s?(?:[(\[]|[-:;,]\s)\s?{_PIECE}(?:\s?[,;+]\s(?:and\s)?{_PIECE}){{1,12}}\s?[)\]]?[.\s]*",
    re.IGNORECASE,
)
_TAKES_BACK: Final = re.compile(
    r"^\W*(?:only\s)?(?:if|unless|were|provided|assuming|before|after|at\s(?:most|least|best)|or"
    r"|plus|minus|previously|formerly|originally|initially|percent|per|half|not|no|max|min|ish"
    r"|thousand|million|k|stars?|below|above|lower|higher|less|more|for\s(?:example|instance)"
    r"|as\s(?:asked|told|instructed|requested|demanded|required)"
    r"|because\sthe\s(?:essay|text|prompt)\s(?:asks?|tells?|demands?|says?))\b"
    r"|\b(?:round(?:ed|s|ing)?|correct(?:ion|ed)|revised|updated|adjusted|instead|provisional"
    r"|tentative|preliminary|placeholder|hypothetical(?:ly)?|example\s(?:only|score)|on\sreflection"
    rf"|or\s(?:so|(?:{_WORD}))|(?:{_WORD})(?=$|\W*$|[.,;:)\]!?]"
    r"|\s(?:if|with|out|points?|stars?|is|would|when|being)\b))",
    re.IGNORECASE,
)
"""What changes the number before it, or says that it is not the judge's."""
_NO_PART: Final = re.compile(
    r"\b(?:min\w*|max\w*|low\w*|high\w*|upper|average|mean|median|was|from|to|previous\w*|or"
    r"|between|score|total|overall|final|exact\w*|precise\w*|raw|range)\b",
    re.IGNORECASE,
)


def _after_value(score: Score, rest: str) -> Score:
    """Return the score if what follows it leaves it as it is.

    Raises:
        NotReadableError: There is another number, or a word that changes the first.
    """
    breakdown = _BREAKDOWN.match(rest)
    again = _AGAIN_OF_A_PART.match(rest)
    if again is not None and breakdown is None and again["again"][0].isdigit():
        score = _together([score, _calculate(again["again"])])
        rest = rest[again.end() :]
    if not rest.strip(" .!)|"):
        return score
    if _BEGINS_WORDS.match(rest) is None:
        raise NotReadableError("the number goes on")
    taken_back = _TAKES_BACK.search(rest)
    if taken_back is None and breakdown is not None:
        taken_back = _NO_PART.search(breakdown[0])
    if taken_back is not None:
        raise NotReadableError(f"{taken_back[0].strip()!r} after the number")
    left = rest if breakdown is None else rest[breakdown.end() :]
    if any(character.isnumeric() for character in left):
        raise NotReadableError("another number after it")
    return score


def numbers_in(text: str) -> Iterator[Score]:
    """Yield each number of a text with its scale, as far as they can be read."""
    position = 0
    while match := _VALUE.search(text, position):
        position = match.end()
        if "star" not in match[0].lower():
            yield read_value(match[0])[0]
