"""The nouns that every layer shares."""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, get_args

Stage = Literal["draft", "essay", "evaluation"]

STAGES: Final[tuple[Stage, ...]] = get_args(Stage)
"""The stages in the order in which they run."""

PARENT_STAGE: Final[Mapping[Stage, Stage]] = {"essay": "draft", "evaluation": "essay"}
"""The stage that a generation's parent belongs to; a draft has no parent."""

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = dict[str, JsonValue]
"""A JSON document: what `json.loads` returns for an object."""
