"""Parsers that read a text."""

import re
from collections.abc import Iterator
from typing import Final

import attrs

from daydreaming_dagster.domain.parsing.response import NotReadableError, ParsedResponse


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
    spoken = without_reasoning(response)
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


def without_reasoning(response: str) -> str:
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
