"""The types that every layer shares."""

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from daydreaming_dagster.domain.shipped_stages import (
        PARENT_STAGE as PARENT_STAGE,  # noqa: PLC0414  names that others import from here
    )
    from daydreaming_dagster.domain.shipped_stages import (
        STAGES as STAGES,  # noqa: PLC0414
    )

Stage: TypeAlias = str
"""The name of a stage: `ports.ids.check_stage` says which names are safe."""

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = dict[str, JsonValue]
"""A JSON document: what `json.loads` returns for an object."""


def __getattr__(name: str) -> object:
    # Users of the data layer import these from here; the pipeline itself depends on this module.
    if name in ("PARENT_STAGE", "STAGES"):
        from daydreaming_dagster.domain import shipped_stages

        return getattr(shipped_stages, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
