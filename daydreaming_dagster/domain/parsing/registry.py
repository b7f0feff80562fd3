"""The parsers by the names that template catalogs use."""

from collections.abc import Mapping
from importlib import import_module
from typing import Final

from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.parsing.response import ParsedResponse, Parser, ResponseReader
from daydreaming_dagster.domain.stages import StageDefinition
from daydreaming_dagster.types import JsonObject


def _parser(module: str, name: str) -> Parser:
    """Return the parser of that name in a module of this package.

    The module is imported when the parser is called: its regular expressions take a while, and most
    commands parse nothing.
    """

    def parse(response: str) -> ParsedResponse:
        parser: Parser = vars(import_module(f"{__package__}.{module}"))[name]
        return parser(response)

    return parse


_TEXT_PARSERS: Final = {
    "identity": _parser("text_blocks", "parse_identity"),
    "essay_block": _parser("text_blocks", "parse_essay_block"),
    "essay_block_lenient": _parser("text_blocks", "parse_essay_block_lenient"),
    "essay_idea_last": _parser("text_blocks", "parse_essay_idea_last"),
}
_SCORE_PARSERS: Final = {
    "in_last_line": _parser("scores", "parse_score_line"),
    "json_score": _parser("json_scores", "parse_json_score"),
}
_PAIR_PARSERS: Final = {"pair_verdict": _parser("pair_verdicts", "parse_pair_verdict")}
_BUILT_IN: Final[Mapping[str, Parser]] = {
    **_TEXT_PARSERS,
    **_SCORE_PARSERS,
    **_PAIR_PARSERS,
}

RESPONSE_FORMATS: Final[Mapping[str, JsonObject]] = {
    "json_score": {
        "type": "json_schema",
        "json_schema": {
            "name": "judgement",
            "strict": True,
            "schema": {
                "type": "object",
                # In this order: a judge that reasons first has its reasons when it scores.
                "properties": {"reasoning": {"type": "string"}, "score": {"type": "number"}},
                "required": ["reasoning", "score"],
                "additionalProperties": False,
            },
        },
    },
}
"""What endpoints are asked to hold the answer to (`response_format`), by parser."""


def parsers_of(definition: StageDefinition) -> Mapping[str, Parser]:
    """Return the built-in parsers of a stage by the name that a template's row gives."""
    if definition.judges == "pairs":
        return _PAIR_PARSERS
    return _SCORE_PARSERS if definition.scores else _TEXT_PARSERS


def find_parser(name: str) -> ResponseReader:
    """Return a reader with the built-in parser of that name, whatever its stage, and no limits.

    Raises:
        CatalogError: There is none.
    """
    if name in _BUILT_IN:
        return ResponseReader(name, _BUILT_IN[name])
    known = ", ".join(sorted(_BUILT_IN))
    raise CatalogError("the template catalog", (f"unknown parser {name!r}; known are {known}",))
