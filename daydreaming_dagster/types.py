"""The types that every layer shares."""

from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from daydreaming_dagster.domain.stages import (
        PARENT_STAGE as PARENT_STAGE,  # noqa: PLC0414  a name that others import from here
    )

Stage = Literal["draft", "essay", "evaluation"]

STAGES: Final[tuple[Stage, ...]] = get_args(Stage)
"""The stages in the order in which they run."""

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = dict[str, JsonValue]
"""A JSON document: what `json.loads` returns for an object."""


def __getattr__(name: str) -> object:
    # What there is to say of a stage is in its row, which depends on this module.
    if name == "PARENT_STAGE":
        from daydreaming_dagster.domain.stages import PARENT_STAGE

        return PARENT_STAGE
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
