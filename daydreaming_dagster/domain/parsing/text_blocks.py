"""Parsers that read a text."""

import re
from collections.abc import Iterator

import attrs

from daydreaming_dagster.domain.parsing.reasoning import lone_closing, split_reasoning
from daydreaming_dagster.domain.parsing.response import NotReadableError, ParsedResponse


def parse_identity(response: str) -> ParsedResponse:
    """Return the answer as it is, without the reasoning that it begins with.

    Raises:
        NotReadableError: There is nothing but reasoning, or it is not clear where it ends.
    """
    return ParsedResponse(_whole(response))


def parse_essay_block(response: str) -> ParsedResponse:
    """Return the text of the last `<essay>` block.

    A tag counts where it begins a line, or follows another block: a text may speak of the tag.
    Where the last block is not closed, it goes on to the end.

    Raises:
        NotReadableError: There is no block, it is blank, or it is not clear where it begins or
            ends.
    """
    text = split_reasoning(response).text
    block = _last_essay(text)
    if block is None:
        raise NotReadableError("there is no <essay> block that begins a line")
    return _not_blank("essay", block.text)


def parse_essay_block_lenient(response: str) -> ParsedResponse:
    """Return the text of the last `<essay>` block; without one, the whole answer.

    A block that is not closed counts only where its tag stands alone on a line, or begins the
    answer. The reasoning that the answer begins with is dropped.

    Raises:
        NotReadableError: What would be returned is blank, or it is not clear where it begins or
            ends.
    """
    text = split_reasoning(response).text
    block = _last_essay(text)
    if block is None or not (block.closed or block.alone):
        return _not_blank("essay", _whole(response))
    return _not_blank("essay", block.text)


def parse_essay_idea_last(response: str) -> ParsedResponse:
    """Return the `<essay-idea>` block with the highest `stage="n"`.

    Blocks without a stage come before all others, and among equals the last one counts. A tag
    counts where it begins a line, or follows another block.

    Raises:
        NotReadableError: There is no block, or the one that counts is blank or not closed: an
            earlier one in its place would lack the later concepts.
    """
    blocks = list(_blocks("essay-idea", split_reasoning(response).text))
    if not blocks:
        raise NotReadableError("there is no <essay-idea> block that begins a line")
    number, last = max(enumerate(blocks), key=lambda block: (block[1].stage, block[0]))
    if not last.closed:
        raise NotReadableError(f"<essay-idea> block {number + 1} is not closed")
    return _not_blank("essay-idea", last.text)


@attrs.frozen
class _Block:
    """What stands between two tags; `alone` where the opening one has its line, or the answer."""

    text: str
    end: int
    closed: bool
    alone: bool
    stage: int


@attrs.frozen
class _Tag:
    """A tag that may begin or end a block.

    Attributes:
        match: Where it is.
        opens: Whether it opens a block.
        alone: Whether it has its line to itself, begins the answer or follows another block.
        at_edge: Whether it begins or ends a line, or another block follows.
    """

    match: re.Match[str]
    opens: bool
    alone: bool
    at_edge: bool


def _tags(name: str, text: str) -> list[_Tag]:
    pattern = rf"(?P<line>^[ \t]*)?<(?P<end>/)?{name}(?:\s[^<>]{{0,300}})?>(?P<rest>[ \t\r]*$)?"
    found = list(re.finditer(pattern, text, re.IGNORECASE | re.MULTILINE))
    beginning = len(text) - len(text.lstrip())
    tags: list[_Tag] = []
    for i, match in enumerate(found):
        before = found[i - 1] if i else None
        after = found[i + 1] if i + 1 < len(found) else None
        begins, ends = match["line"] is not None, match["rest"] is not None
        if match["end"]:
            followed = after is not None and not after["end"] and _adjacent(text, match, after)
            tags.append(_Tag(match, opens=False, alone=False, at_edge=begins or ends or followed))
        else:
            first = match.start() <= beginning
            first |= before is not None and bool(before["end"]) and _adjacent(text, before, match)
            alone = first or (begins and ends)
            tags.append(_Tag(match, opens=True, alone=alone, at_edge=first or begins))
    return tags


def _adjacent(text: str, tag: re.Match[str], following: re.Match[str]) -> bool:
    return not text[tag.end() : following.start()].strip()


def _blocks(name: str, text: str) -> Iterator[_Block]:
    """Yield what stands between tags that are structure, up to the last tag that can close it.

    Raises:
        NotReadableError: A block is not closed before the next, or closed in two places.
    """
    opening: _Tag | None = None
    closings: list[_Tag] = []
    for tag in _tags(name, text):
        if not tag.opens:
            closings.append(tag)
        elif tag.at_edge:
            if opening is None or any(closing.at_edge for closing in closings):
                if opening is not None:
                    yield _block(name, text, opening, closings)
                opening, closings = tag, []
            elif tag.alone:
                raise NotReadableError(f"an <{name}> block is not closed before the next")
    if opening is not None:
        yield _block(name, text, opening, closings)


def _block(name: str, text: str, opening: _Tag, closings: list[_Tag]) -> _Block:
    at_edge = [closing for closing in closings if closing.at_edge] or closings
    if len(at_edge) > 1 and not at_edge[-1].at_edge:
        raise NotReadableError(f"it is not clear which </{name}> ends the block")
    stage = re.search(r"\bstage\s{0,9}=\s{0,9}[\"']?(\d{1,9})", opening.match[0])
    end = at_edge[-1].match.start() if at_edge else len(text)
    return _Block(
        text[opening.match.end() : end],
        end,
        closed=bool(at_edge),
        alone=opening.alone,
        stage=-1 if stage is None else int(stage[1]),
    )


def _last_essay(text: str) -> _Block | None:
    """Return the last block, if there is one and no reasoning ends after it."""
    blocks = list(_blocks("essay", text))
    if not blocks:
        return None
    end = lone_closing(text)
    if end is not None and end.start() > blocks[-1].end:
        raise NotReadableError(f"a line ends with {end[0]!r} after the <essay> block")
    return blocks[-1]


def _whole(response: str) -> str:
    """Return the answer without the reasoning that it begins with."""
    answer = split_reasoning(response)
    end = lone_closing(answer.text)
    if end is not None:
        raise NotReadableError(
            f"a line ends with {end[0].strip()!r}, which nothing opens: what is before may be"
            " reasoning; have the endpoint send it apart, or ask for an <essay> block"
        )
    if not answer.reasoning:
        return response
    if not answer.text.strip():
        raise NotReadableError("nothing follows the reasoning")
    return answer.text.lstrip()


def _not_blank(name: str, text: str) -> ParsedResponse:
    if not text.strip():
        raise NotReadableError(f"the {name} is blank")
    return ParsedResponse(text.strip())
