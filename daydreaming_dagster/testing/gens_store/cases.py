"""Texts, documents and ids that a store accepts, and others that it refuses."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Final, NamedTuple

from daydreaming_dagster.ports.ids import MAX_ID_LENGTH
from daydreaming_dagster.types import JsonObject

EXACT_TEXTS: Final = {
    "empty": "",
    "newlines of Windows": "a\r\nb\r\n",
    "lone carriage return": "a\rb\r",
    "newline at the end": "a\n",
    "no newline at the end": "a\nb",
    "blanks around": " \t a \n\n",
    "NUL": "a\x00b\x00",
    "byte order mark": "\ufeffa\ufeff",
    "other line separators": "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1ah",
    "composed and decomposed": "\u00e9 e\u0301",
    "astral": "\U0001f680 \U0010ffff",
    "noncharacters": "\ufffe \uffff",
    "1 MB": "0123456789abcdé\n" * 65536,
}
"""Texts that a store gives back to the character."""

JSON_DOCUMENTS: Final[Mapping[str, JsonObject]] = {
    "empty": {},
    "every kind of value": {"a": None, "b": True, "c": 1, "d": 1.0, "e": "x", "f": [], "g": {}},
    "nested": {"a": [{"b": [[], [1, [2, {"c": None}]]]}]},
    "large and small numbers": {"a": 2**80, "b": -(2**63), "c": 5e-324, "d": 1e308, "e": -0.0},
    "unicode": {"ключ 🚀": "значение \u2028 \ufeff é"},
    "strange keys": {"": 1, " ": 2, "a.b": 3, "\x00": 4, "\n": 5, '"': 6, "\\": 7},
    "order of keys": {"b": 1, "a": 2, "c": 3},
}
"""Documents that a store gives back with every type and the order of keys."""


class _Pair(NamedTuple):
    x: int
    y: int


def _endless() -> dict[str, object]:
    document: dict[str, object] = {}
    document["itself"] = document
    return document


def _deep() -> dict[str, object]:
    document: dict[str, object] = {}
    for _ in range(100_000):
        document = {"deeper": document}
    return document


NOT_JSON: Final[Mapping[str, Callable[[], object]]] = {
    "NaN": lambda: {"a": math.nan},
    "infinity": lambda: {"a": [math.inf]},
    "minus infinity": lambda: {"a": {"b": -math.inf}},
    "key that is a number": lambda: {1: "a"},
    "key that is None": lambda: {None: "a"},
    "key that is true": lambda: {True: "a"},
    "nested key that is a number": lambda: {"a": [{1: "a"}]},
    "tuple": lambda: {"a": (1, 2)},
    "named tuple": lambda: {"a": _Pair(1, 2)},
    "set": lambda: {"a": {1}},
    "bytes": lambda: {"a": b"a"},
    "path": lambda: {"a": PurePath("a")},
    "object": lambda: {"a": object()},
    "class": lambda: {"a": str},
    "number too long to be read": lambda: {"a": 10**5000},
    "lone surrogate": lambda: {"a": "\ud800"},
    "lone surrogate in a key": lambda: {"\udfff": "a"},
    "endless": _endless,
    "too deep": _deep,
    "array": lambda: [1],
    "text": lambda: "{}",
    "number": lambda: 1,
    "nothing": lambda: None,
    "pairs": lambda: [("a", 1)],
}
"""What JSON could not give back, made anew by each call, since some of it can hardly be shown."""

LONE_SURROGATES: Final = ("\ud800", "a\udfffb", "\ude80\ud83d", "\udcff")

HOSTILE_IDS: Final[Sequence[object]] = (
    "",
    ".",
    "..",
    "...",
    ".hidden",
    "-option",
    "_",
    " ",
    " a",
    "a ",
    "a.",
    "a.txt",
    "a/b",
    "a\\b",
    "/",
    "/etc/passwd",
    "../a",
    "..\\a",
    "../../../evil",
    "C:",
    "C:\\a",
    "\\\\host\\share",
    "a:b",
    "~",
    "a*",
    "a?",
    "a\x00",
    "\x00",
    "a\n",
    "\na",
    "a\r",
    "a\tb",
    "a\x7f",
    "a" * (MAX_ID_LENGTH + 1),
    "a" * 300,
    "CON",
    "con",
    "nUl",
    "AUX",
    "PRN",
    "COM1",
    "lpt9",
    "\u0430",  # a Cyrillic letter that looks like an a
    "\uff41",  # full-width a
    "\u00e9",
    "e\u0301",
    "\u0131",  # the dotless i, whose upper case is I
    "\u212a",  # the Kelvin sign, whose lower case is k
    "\u0661",  # Arabic 1
    "a\u200b",
    "a\u202eb",
    "\ud800",
    "\U0001f680",
    None,
    True,
    0,
    1.5,
    b"a",
    bytearray(b"a"),
    ["a"],
    ("a",),
    {"a": "a"},
    PurePath("a"),
    object(),
)
"""What no store takes for a gen_id or template_id."""

HOSTILE_STAGES: Final[Sequence[object]] = (
    "",
    ".",
    "..",
    "Draft",
    "DRAFT",
    "con",
    "1st",
    "_draft",
    "two-words",
    "a" * 41,
    " draft",
    "draft ",
    "draft\n",
    "draft/",
    "./draft",
    "../draft",
    "/draft",
    "draft\x00",
    "dr\u0430ft",
    None,
    0,
    b"draft",
    ["draft"],
    PurePath("draft"),
    object(),
)
"""What no store takes for a stage."""

UNUSUAL_IDS: Final = (
    "0",
    "00",
    "a",
    "a-",
    "a_",
    "a-b",
    "a_b",
    "a--b",
    "aa",
    "Z9",
    "CONSOLE",
    "COM10",
    "x" * (MAX_ID_LENGTH - 1),
    "x" * MAX_ID_LENGTH,
)
"""Ids that are fine, close to each other or to ones that are not."""

CORRUPT_TEXTS: Final = {
    "not UTF-8": b"a\xff",
    "cut character": "é".encode()[:1],
    "overlong form": b"\xc0\xaf",
    "surrogate": b"\xed\xa0\x80",
    "UTF-16": "a".encode("utf-16"),
}

CORRUPT_DOCUMENTS: Final = {
    **CORRUPT_TEXTS,
    "empty": b"",
    "cut": b'{"a": "b',
    "half a document after a whole one": b'{"a": 1}\n{"a"',
    "NULs": b"\x00" * 20,
    "not JSON": b"{'a': 1}",
    "array": b"[]",
    "null": b"null",
    "text": b'"a"',
    "NaN": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}',
    "number that is infinite": b'{"a": 1e999}',
    "number too long": b'{"a": 1' + b"0" * 5000 + b"}",
    "byte order mark": b"\xef\xbb\xbf{}",
    "too deep": b'{"a":' + b"[" * 100_000,
}
