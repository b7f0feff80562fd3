"""Main metadata, under the name that users of the data layer import."""

from daydreaming_dagster.domain.generation.metadata import (
    FORMAT_VERSION,
    GenerationMetadata,
    Mode,
    ancestry,
    interpret_main_metadata,
    resolve_generation_metadata,
    text_field,
)

__all__ = [
    "FORMAT_VERSION",
    "GenerationMetadata",
    "Mode",
    "ancestry",
    "interpret_main_metadata",
    "resolve_generation_metadata",
    "text_field",
]
