"""Reads how a generation is made from its main metadata."""

from collections.abc import Iterator
from typing import Final, Literal

import attrs

from daydreaming_dagster.domain.generation.records import MainRecord
from daydreaming_dagster.domain.stages import PARENT_STAGE, GenerationRef
from daydreaming_dagster.ports.errors import DataLayerError, InvalidMetadataError
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.ports.ids import is_id
from daydreaming_dagster.types import JsonObject, Stage

Mode = Literal["llm", "copy"]

FORMAT_VERSION: Final = 1
"""The version of the main metadata that planning writes; without the field, it is 1."""


@attrs.frozen
class GenerationMetadata:
    """How a generation is made: by a model (`llm`), or as a copy of its parent's text (`copy`).

    `record` is the main metadata that says so. It does not count in comparisons.
    """

    template_id: str
    parent_stage: Stage | None
    parent_gen_id: str | None
    mode: Mode
    combo_id: str
    cohort_id: str | None
    record: MainRecord = attrs.field(factory=MainRecord, eq=False, repr=False)

    @property
    def parent(self) -> GenerationRef | None:
        """The generation whose text this one is made from."""
        if self.parent_stage is None or self.parent_gen_id is None:
            return None
        return GenerationRef(self.parent_stage, self.parent_gen_id)


def resolve_generation_metadata(store: GensStore, stage: Stage, gen_id: str) -> GenerationMetadata:
    """Return how the generation is made according to its main metadata, with defaults.

    `template_id` and `combo_id` default to `""`, `mode` to `llm`. The cohort is read from
    `cohort_id`, or from `origin_cohort_id`, as older data roots call it.

    Raises:
        MissingArtifactError: The generation has no main metadata.
        MalformedArtifactError: The main metadata is not a JSON object.
        InvalidMetadataError: A field has the wrong type, the mode is unknown, mode copy has no
            parent, or a newer version of this package wrote the document.
    """
    return interpret_main_metadata(store.read_main_metadata(stage, gen_id), stage, gen_id)


def interpret_main_metadata(document: JsonObject, stage: Stage, gen_id: str) -> GenerationMetadata:
    """Return how the generation is made, from main metadata that was already read.

    Raises:
        InvalidMetadataError: As `resolve_generation_metadata` says.
    """
    record = MainRecord.from_document(document)
    version = document.get(_FORMAT_VERSION, FORMAT_VERSION)
    if not isinstance(version, int) or version > FORMAT_VERSION:
        reason = f"metadata format {version!r} is newer than {FORMAT_VERSION}; update this package"
        raise InvalidMetadataError(stage, gen_id, reason)
    for key in sorted(record.malformed & _TEXTS):
        text_field(document, key, stage, gen_id)
    mode = (record.mode or "").strip().lower() or "llm"
    if mode not in ("llm", "copy"):
        reason = f"unknown mode {mode!r} (expected llm or copy)"
        raise InvalidMetadataError(stage, gen_id, reason)
    parent_gen_id = record.parent_gen_id or None
    parent_stage = PARENT_STAGE.get(stage) if parent_gen_id else None
    if mode == "copy" and parent_stage is None:
        raise InvalidMetadataError(stage, gen_id, "copy mode requires parent metadata")
    return GenerationMetadata(
        template_id=record.template_id or "",
        parent_stage=parent_stage,
        parent_gen_id=parent_gen_id,
        mode="copy" if mode == "copy" else "llm",
        combo_id=record.combo_id or "",
        cohort_id=record.cohort_id or record.origin_cohort_id or None,
        record=record,
    )


_FORMAT_VERSION: Final = attrs.fields(MainRecord).format_version.name
_TEXTS: Final = {field.name for field in attrs.fields(MainRecord) if field.type == str | None}


def ancestry(store: GensStore, stage: Stage, gen_id: str) -> Iterator[GenerationRef]:
    """Yield the generation, its parent, and so on, as far as there is metadata."""
    yield GenerationRef(stage, gen_id)
    if stage not in PARENT_STAGE:
        return
    try:
        parent = resolve_generation_metadata(store, stage, gen_id).parent
    except DataLayerError:
        return
    if parent is not None and is_id(parent.gen_id):
        yield from ancestry(store, *parent)


def text_field(document: JsonObject, key: str, stage: Stage, gen_id: str) -> str:
    """Return a string field of a generation's main metadata, `""` where absent or null.

    Raises:
        InvalidMetadataError: The field is something else.
    """
    value = document.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        reason = f"{key} must be a string, not {value!r},"
        raise InvalidMetadataError(stage, gen_id, reason)
    return value
