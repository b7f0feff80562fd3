"""The parser for judges that say which of two texts is better."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from daydreaming_dagster.domain.parsing import phrases
from daydreaming_dagster.domain.parsing.lines import Line, line_number, read_lines
from daydreaming_dagster.domain.parsing.reasoning import after_lone_closing, split_reasoning
from daydreaming_dagster.domain.parsing.response import NotReadableError, ParsedResponse

_CHOICES: Final = {
    "first": ("first", "a", "1"),
    "second": ("second", "b", "2"),
    "tie": ("tie", "draw", "equal", "c"),
}
_WORDS: Final = {word: choice for choice, words in _CHOICES.items() for word in words}
_ANY: Final = "|".join(sorted(_WORDS, key=len, reverse=True))
_TEXT: Final = "text|essay|option"
_NOUN: Final = rf"(?:winner|verdict|better(?: (?:{_TEXT}))?|preferred|preference|choice)"

_SAID: Final = re.compile(
    rf"(?:final |the |overall )*{_NOUN}(?: is)? ?[:=]? ?[\"'(\[<]?(?:the |(?:{_TEXT}) )*({_ANY})"
    rf"(?: one| (?:{_TEXT}))?[.!\"')\]>]*",
    re.IGNORECASE,
)
_MARKED: Final = re.compile(rf"\[\[ ?({_ANY}) ?\]\]", re.IGNORECASE)
"""The form of MT-Bench, where C is a tie: https://arxiv.org/abs/2306.05685 (figure 5)."""

_MENTIONED: Final = re.compile(
    rf"\b{_NOUN}(?: is)? ?[:=] ?[\"'(\[<]?(?:the |(?:{_TEXT}) )*({_ANY})\b", re.IGNORECASE
)
_NOT_CHOSEN: Final = re.compile(
    r"(?:\bnot|n't|\bnever|\brather than|\binstead of)\b[^.,;]{0,20}$", re.IGNORECASE
)
_TAKEN_BACK: Final = re.compile(
    r"(?:^|\. )(?:(?:but|no|hmm),? )?(?:wait|actually|sorry|oops|correction|update|edit|erratum"
    r"|on (?:reflection|second thoughts?)|scratch that|in truth|i meant|overall|in total)\b"
    r"|\b(?:chang|revers|revis|reconsider|withdraw)\w{0,3} (?:it|this|that|my|the)\b",
    re.IGNORECASE,
)
_NAMES: Final = {
    "first": re.compile(
        rf"\b(?:first|(?:{_TEXT}) [a1])\b|(?-i:\bA\b)(?=\W*$| is| wins)", re.IGNORECASE
    ),
    "second": re.compile(
        rf"\b(?:second(?! thought)|(?:{_TEXT}) [b2])\b|(?-i:\bB\b)", re.IGNORECASE
    ),
    "tie": re.compile(r"\b(?:tie|draw|equal(?:ly)?)\b", re.IGNORECASE),
}


def parse_pair_verdict(response: str) -> ParsedResponse:
    """Return which of two texts a judge prefers: the text is `first`, `second` or `tie`.

    The answer says it in a line such as `WINNER: first` or `Verdict: B`, or as `[[A]]`. The first
    text is also called A or 1, the second B or 2; C stands for a tie.

    Raises:
        NotReadableError: The answer says no verdict, or something in it contradicts the verdict or
            takes it back. No guess is made.
    """
    lines = _lines(response)
    said: dict[str, Line] = {}
    for place, line in enumerate(lines):
        above = lines[place - 1] if place else None
        below = lines[place + 1] if place + 1 < len(lines) else None
        for choice in _choices(line, above, below):
            said.setdefault(choice, line)
    if not said:
        raise NotReadableError("no line such as WINNER: first, WINNER: second or WINNER: tie")
    if len(said) > 1:
        one, other = sorted(said.values(), key=lambda line: line.number)[:2]
        if one is other:
            raise NotReadableError(f"two verdicts in one line: {one.text!r}")
        raise NotReadableError(f"two verdicts: {one.text!r} and {other.text!r}")
    ((choice, line),) = said.items()
    _check_alone(choice, line, lines)
    return ParsedResponse(choice, line=line.number)


def _lines(response: str) -> list[Line]:
    """Return the lines that the judge says, without its reasoning."""
    text, start = after_lone_closing(split_reasoning(response))
    lines = read_lines(text, line_number(response[:start]))
    return [line for line in lines if line.source == "said"]


def _choices(line: Line, above: Line | None, below: Line | None) -> Iterator[str]:
    """Yield the verdicts that a line says."""
    if (whole := _SAID.fullmatch(line.text)) is not None:
        if above is not None and above.text.endswith(" A"):  # a text, and no article
            above = None
        if phrases.are_around(line, above, below):
            raise NotReadableError(f"{line.text!r} is part of a sentence around it")
        yield _WORDS[whole[1].lower()]
    for match in _MARKED.finditer(line.text):
        if _NOT_CHOSEN.search(line.text[: match.start()]):
            raise NotReadableError(f"a verdict that is denied: {line.text!r}")
        yield _WORDS[match[1].lower()]


def _check_alone(choice: str, verdict: Line, lines: Sequence[Line]) -> None:
    """Check that no other line contradicts a verdict, or takes it back.

    Raises:
        NotReadableError: One does.
    """
    for line in lines:
        named = {_WORDS[match[1].lower()] for match in _MENTIONED.finditer(line.text)}
        if line.number > verdict.number and _TAKEN_BACK.search(line.text):
            named |= {name for name, pattern in _NAMES.items() if pattern.search(line.text)}
        if len(named) == 1 and choice not in named:
            raise NotReadableError(f"two verdicts: {verdict.text!r} and {line.text!r}")
    text = "\n".join(line.text for line in lines)
    is_last = verdict.number == lines[-1].number and _SAID.fullmatch(verdict.text)
    found = phrases.REFUSAL.search(text) or (
        None if is_last else phrases.NOT_THE_JUDGES.search(text)
    )
    if found is not None:
        raise NotReadableError(f"{found[0]!r} is said beside {verdict.text!r}")
