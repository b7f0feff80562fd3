"""The parsers by the names that template catalogs use."""

from collections.abc import Mapping
from typing import Final

from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.parsing.json_scores import parse_json_score
from daydreaming_dagster.domain.parsing.pair_verdicts import parse_pair_verdict
from daydreaming_dagster.domain.parsing.response import Parser, ResponseReader
from daydreaming_dagster.domain.parsing.scores import parse_score_line
from daydreaming_dagster.domain.parsing.text_blocks import (
    parse_essay_block,
    parse_essay_block_lenient,
    parse_essay_idea_last,
    parse_identity,
)
from daydreaming_dagster.domain.stages import StageDefinition
from daydreaming_dagster.types import JsonObject

_TEXT_PARSERS: Final[Mapping[str, Parser]] = {
    "identity": parse_identity,
    "essay_block": parse_essay_block,
    "essay_block_lenient": parse_essay_block_lenient,
    "essay_idea_last": parse_essay_idea_last,
}
_SCORE_PARSERS: Final[Mapping[str, Parser]] = {
    "in_last_line": parse_score_line,
    "json_score": parse_json_score,
}
_PAIR_PARSERS: Final[Mapping[str, Parser]] = {"pair_verdict": parse_pair_verdict}
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
