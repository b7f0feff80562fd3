"""What a reader sees of an answer, line by line."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final, Literal

import attrs

Source = Literal["said", "quoted", "fenced", "reasoned"]
"""Who a line is from: the judge, a quotation, a block of code, the judge's marked reasoning."""


@attrs.frozen
class Line:
    """A line that is not blank.

    Attributes:
        number: Its number in the answer, from 1.
        text: The line in ASCII digits, dashes, slashes and single spaces, without markup.
        source: Whose words it has.
        item: Whether it is an item of a list, or part of one.
        heading: Whether it is a heading, or all in bold.
    """

    number: int
    text: str
    source: Source = "said"
    item: bool = False
    heading: bool = False


class _Characters(dict[int, str]):
    """Maps what looks like an ASCII digit, dash, slash or space to it, and nothing else.

    Not Unicode's compatibility form (NFKC): that makes 72 of a 7 with a superscript 2.
    """

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        if category == "Nd":
            character = str(unicodedata.decimal(character))
        elif category in _LOOKS_LIKE:
            character = _LOOKS_LIKE[category]
        elif "\uff01" <= character <= "\uff5e":  # the full-width forms of ASCII
            character = chr(code - ord("\uff01") + ord("!"))
        return self.setdefault(code, character)


_LOOKS_LIKE: Final = {"Zs": " ", "Pd": "-"}
_CHARACTERS: Final = _Characters(
    {
        ord(character): plain
        for plain, characters in {
            "-": "\u2212\u2043",
            "/": "\u2044\u2215\u29f8",
            '"': "\u201c\u201d\u201e\u00ab\u00bb\u2033",
            "'": "\u2018\u2019\u201a\u2032",
            "x": "\u00d7",
            "%": "\u066a\uff05",
            ":": "\u2236\ufe55",
            "~": "\u301c",
            "\t": "\t",
        }.items()
        for character in characters
    }
)
_INVISIBLE: Final = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f\ufe0f\u20e3"
_TAG: Final = (
    r"</?(?:b|i|u|em|strong|p|div|span|center|h[1-6]|br|code|pre|mark|font|small|big|li|ul|ol)"
    r"\s?/?>"
)
# What stands between two digits stays: `7*8` is not 78.
_MARKUP: Final = re.compile(
    rf"(?<!\d)(?:[*_`{_INVISIBLE}]|{_TAG})+|(?:[*_`{_INVISIBLE}]|{_TAG})+(?!\d)", re.IGNORECASE
)
_TIMES: Final = re.compile(r"(?<=\d)\s\*\s(?=\d)")
_NAME: Final = re.compile(r"(?<=[a-zA-Z])_(?=[a-zA-Z])")
_ITEM: Final = re.compile(r"(?:[-+*\u2022]|\d{1,3}[.)]|[A-Z][.)])\s")
_BOLD: Final = re.compile(r"(\*\*|__)(?!\s).{1,200}\1:?\s*$")
_FENCE: Final = re.compile(r"\s{0,3}(?:`{3,}[^`]*|~{3,}.*)$")
_RULE: Final = re.compile(r"\s{0,3}([-*_])(?:\s?\1){2,}\s*$")
_CODE_INDENT: Final = 4
_OPENING_TAG: Final = re.compile(r"<(?P<name>\w{4,20})>")
_TAGS_OF_ANSWERS: Final = (
    "", "answer", "verdict", "evaluation", "assessment", "judgment", "judgement", "result",
    "output", "response", "final", "score", "rating", "final_score", "overall_score",
    "total_score", "center", "strong", "mark", "code", "small", "span", "font",
)  # fmt: skip
_DECORATION: Final = "\u2705\u2611\u2714\U0001f3c6\U0001f3c5\U0001f3af\U0001f4ca\U0001f4dd\u2696"


def line_number(before: str) -> int:
    """Return the number, from 1, of the line that begins or goes on after a text."""
    return len(f"{before}.".splitlines())


def read_lines(text: str, first: int = 1, source: Source | None = None) -> Iterator[Line]:
    """Yield the lines of a text that are not blank, numbered from `first`.

    `source` is where all of them are from, if it is not to be seen from the lines.
    """
    fenced = in_list = False
    tag: str | None = None
    for number, raw in enumerate(text.translate(_CHARACTERS).splitlines(), first):
        line = raw.expandtabs(_CODE_INDENT)
        content = line.strip()
        if not content:
            continue
        if _FENCE.match(line):
            fenced = not fenced
            continue
        tag = _tag(tag, content)
        indent = len(line) - len(line.lstrip())
        item = _ITEM.match(content) is not None and not _RULE.match(line)
        in_list = item or (in_list and indent > 0)
        plain = _plain(content, item=item)
        if not plain:
            continue
        yield Line(
            number,
            plain,
            source
            or ("reasoned" if tag else _source(content, indent, fenced=fenced, in_list=in_list)),
            item,
            content.startswith("#") or _BOLD.match(content) is not None,
        )


def _tag(opened: str | None, content: str) -> str | None:
    """Return the tag that a line is within, given the one that the line before it is."""
    if opened is not None:
        return None if content.lower() == f"</{opened}>" else opened
    tag = _OPENING_TAG.fullmatch(content)
    name = "" if tag is None else tag["name"].lower()
    return None if name in _TAGS_OF_ANSWERS else name


def _source(content: str, indent: int, *, fenced: bool, in_list: bool) -> Source:
    if fenced or (indent >= _CODE_INDENT and not in_list):
        return "fenced"
    return "quoted" if content.startswith((">", '"')) else "said"


def _plain(content: str, *, item: bool) -> str:
    content = content.lstrip("#")
    if item:
        content = _ITEM.sub("", content.strip(), count=1)
    content = _TIMES.sub(" x ", _NAME.sub(" ", content))
    content = _MARKUP.sub(lambda markup: " " if "<" in markup[0] else "", content)
    return " ".join(content.split()).strip(_DECORATION).strip()
