"""Untrusted texts of models as HTML that is safe to show."""

import re
from collections.abc import Sequence
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

_ALLOWED_LINK: Final = re.compile(r"(?:https?|mailto):", re.IGNORECASE)
_FIRST_LEVEL: Final = 3
"""The first level of headings in texts; the page itself uses the levels above."""
_LAST_LEVEL: Final = 6
_MARKUP: Final = 4
"""How much longer than its words a beginning with markup may be; the rest is cut off."""

_CONTROL_PICTURES: Final = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
}


def visible(text: str) -> str:
    """Return the text with a visible sign for each control character, such as `␛` for escape.

    Lines end with a line feed only.
    """
    return text.replace("\r\n", "\n").translate(_CONTROL_PICTURES)


def render_markdown(text: str) -> str:
    """Return the text's Markdown as HTML. No tag, attribute or script comes from the text itself.

    HTML in the text is shown as source. Links lead only to http, https and mailto, pictures become
    links, and headings start below those of the page and skip no level.
    """
    tokens = _MARKDOWN.parse(visible(text))
    _lower_headings(tokens)
    for token in tokens:
        # The page's Content-Security-Policy forbids style attributes.
        style = token.attrs.pop("style", None)
        if style:
            token.attrs["class"] = f"align-{str(style).removeprefix('text-align:')}"
        for child in token.children or ():
            if child.type == "link_open":
                child.attrs |= {"rel": "noopener noreferrer", "target": "_blank"}
    return str(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))


def first_words(text: str, most: int) -> str:
    """Return the beginning of a text in one line without its markup, of at most `most` characters.

    A text that goes on ends after a whole word, with an ellipsis.
    """
    pieces: list[str] = []
    for token in _MARKDOWN.parse(visible(text[: most * _MARKUP])):
        pieces += [child.content or " " for child in token.children or [token]]
        pieces.append(" ")
    line = " ".join("".join(pieces).split())
    return line if len(line) <= most else f"{line[:most].rsplit(' ', 1)[0]}…"


class _Markdown(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802  as the base class has it
        return _ALLOWED_LINK.match(url) is not None


_MARKDOWN: Final = (
    _Markdown("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")
)


def _lower_headings(tokens: Sequence[Token]) -> None:
    above: list[int] = []
    for token in tokens:
        if token.type == "heading_open":
            level = int(token.tag[1])
            while above and above[-1] >= level:
                above.pop()
            above.append(level)
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(_FIRST_LEVEL - 1 + len(above), _LAST_LEVEL)}"
