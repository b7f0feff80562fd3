"""The reasoning that an answer begins with, where the endpoint does not send it apart."""

import re
from collections import deque
from itertools import takewhile
from typing import Final

import attrs

from daydreaming_dagster.domain.parsing.response import NotReadableError


@attrs.frozen
class Answer:
    """An answer in two parts. `reasoning` are the blocks it begins with, each with its mark.

    `start` is where `text`, the rest, begins in the response.
    """

    text: str
    start: int = 0
    reasoning: tuple["Reasoning", ...] = ()


@attrs.frozen
class Reasoning:
    """A block of reasoning; `text` begins at `start` of the response."""

    mark: str
    text: str
    start: int


_OPENING: Final = re.compile(
    r"\ufeff?\s*(?:<(?P<tag>think|thinking|thought|reasoning)>|\[(?P<bracket>THINK)\]"
    r"|(?:<\|start\|>assistant)?<\|channel\|>(?P<channel>analysis|commentary)<\|message\|>)",
    re.IGNORECASE,
)
"""Tags of open models, `[THINK]` of Mistral's, channels of OpenAI's harmony response format."""
_THINK: Final = r"</think(?:ing)?>"
_FINAL_CHANNEL: Final = re.compile(
    r"\s*(?:<\|start\|>assistant)?<\|channel\|>final<\|message\|>", re.IGNORECASE
)
_END_OF_MESSAGE: Final = re.compile(r"<\|(?:end|return)\|>$")
_LONE_CLOSING: Final = re.compile(
    rf"(?:^[ \t]*|(?<=\S)){_THINK}(?=[ \t\r]*$)", re.IGNORECASE | re.MULTILINE
)
_THINK_OPENING: Final = re.compile(r"<think(?:ing)?>", re.IGNORECASE)


def split_reasoning(response: str) -> Answer:
    """Return the answer and the marked reasoning that it begins with.

    Marks in the middle of a text are part of it: an essay may speak of `<think>`.

    Raises:
        NotReadableError: The reasoning is not closed, or it is not clear where it ends.
    """
    blocks: list[Reasoning] = []
    end = 0
    while opening := _OPENING.match(response, end):
        mark, closing = _closing(opening)
        first = closing.search(response, opening.end())
        if first is None:
            raise NotReadableError(f"the answer is all reasoning: its {mark!r} is not closed")
        blocks.append(Reasoning(mark, response[opening.end() : first.start()], opening.end()))
        end = first.end()
        if not _OPENING.match(response, end):
            end = _end_of_reasoning(response, opening, first, closing)
    if not blocks:
        return Answer(response)
    final = _FINAL_CHANNEL.match(response, end)
    end = end if final is None else final.end()
    text = response[end:] if final is None else _END_OF_MESSAGE.sub("", response[end:].rstrip())
    return Answer(text, end, tuple(blocks))


def lone_closing(text: str) -> re.Match[str] | None:
    """Return the last `</think>` that ends a line and that no `<think>` before it opens.

    Some endpoints have the opening tag in the prompt: what is before is reasoning then. A tag
    within a sentence is one that the text speaks of.
    """
    opening = _THINK_OPENING.search(text)
    closings = _LONE_CLOSING.finditer(text)
    if opening is not None:
        closings = takewhile(lambda closing: closing.start() < opening.start(), closings)
    return next(iter(deque(closings, maxlen=1)), None)


def after_lone_closing(answer: Answer) -> tuple[str, int]:
    """Return the text of an answer after a `lone_closing`, and where it begins in the response."""
    closing = lone_closing(answer.text)
    end = 0 if closing is None else closing.end()
    return answer.text[end:], answer.start + end


def _closing(opening: re.Match[str]) -> tuple[str, re.Pattern[str]]:
    """Return the mark, and what closes it."""
    if opening["channel"]:
        # The pattern ends where the next message begins, even if the end mark is missing.
        return opening["channel"].lower(), re.compile(r"<\|end\|>|(?=<\|(?:start|channel)\|>)")
    if opening["bracket"]:
        return "THINK", re.compile(r"\[/THINK\]", re.IGNORECASE)
    mark = opening["tag"].lower()
    pattern = _THINK if mark.startswith("think") else rf"</{mark}>"
    return ("think" if mark == "thinking" else mark), re.compile(pattern, re.IGNORECASE)


def _end_of_reasoning(
    response: str, opening: re.Match[str], first: re.Match[str], closing: re.Pattern[str]
) -> int:
    """Return where the last block ends, given the first mark that closes it.

    Reasoning may speak of its own marks, and so may the text after it. Where both are possible
    no guess is made.
    """
    end = first.end()
    if opening["channel"]:
        return end
    while again := re.compile(rf"\s*{closing.pattern}", re.IGNORECASE).match(response, end):
        end = again.end()  # some models close twice
    if closing.search(response, end) is None:
        return end
    nested = re.compile(rf"^[ \t]*{re.escape(opening[0].strip())}", re.IGNORECASE | re.MULTILINE)
    before, after = response[opening.end() : first.start()], response[first.end() :]
    at_line_end = re.match(r"[ \t]*(?:\n|\r|\Z)", after)
    begins_line = re.search(r"[\n\r][ \t]*\Z", before[-100:])
    if (at_line_end or begins_line) and not nested.search(before):
        return end
    raise NotReadableError(f"it is not clear which {first[0]!r} ends the reasoning")
