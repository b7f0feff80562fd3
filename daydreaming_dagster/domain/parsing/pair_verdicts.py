"""The parser for judges that say which of two texts is better."""

import re
from typing import Final

from daydreaming_dagster.domain.parsing.lines import Line, read_lines
from daydreaming_dagster.domain.parsing.reasoning import split_reasoning
from daydreaming_dagster.domain.parsing.response import NotReadableError, ParsedResponse

_CHOICES: Final = {
    "first": ("first", "a", "1"),
    "second": ("second", "b", "2"),
    "tie": ("tie", "draw", "equal", "c"),
}
_WORDS: Final = {word: choice for choice, words in _CHOICES.items() for word in words}
_ANY: Final = "|".join(sorted(_WORDS, key=len, reverse=True))

_SAID: Final = re.compile(
    rf"(?:final |the |overall )*(?:winner|verdict|better(?: text)?|preferred|preference|choice)"
    rf"(?: is)? ?[:=]? ?\W?(?:the |text |essay |option )*({_ANY})(?: one| text)?\W*",
    re.IGNORECASE,
)
_MARKED: Final = re.compile(rf"\[\[ ?({_ANY}) ?\]\]", re.IGNORECASE)
"""The form of MT-Bench, where C is a tie: https://arxiv.org/abs/2306.05685 (figure 5)."""


def parse_pair_verdict(response: str) -> ParsedResponse:
    """Return which of two texts a judge prefers: the text is `first`, `second` or `tie`.

    The answer says it in a line such as `WINNER: first` or `Verdict: B`, or as `[[A]]`. The first
    text is also called A or 1, the second B or 2; C stands for a tie.

    Raises:
        NotReadableError: The answer says no verdict, or different ones.
    """
    said: dict[str, Line] = {}
    for line in read_lines(split_reasoning(response).text):
        if line.source != "said":
            continue
        whole = _SAID.fullmatch(line.text)
        words = [whole[1]] if whole else [match[1] for match in _MARKED.finditer(line.text)]
        for word in words:
            said.setdefault(_WORDS[word.lower()], line)
    if not said:
        raise NotReadableError("no line such as WINNER: first, WINNER: second or WINNER: tie")
    if len(said) > 1:
        one, other = sorted(said.values(), key=lambda line: line.number)[:2]
        if one is other:
            raise NotReadableError(f"two verdicts in one line: {one.text!r}")
        raise NotReadableError(f"two verdicts: {one.text!r} and {other.text!r}")
    ((choice, line),) = said.items()
    return ParsedResponse(choice, line=line.number)
