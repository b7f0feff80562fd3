"""Reads how a generation is made from its main metadata."""

from typing import Final, Literal, NamedTuple

import attrs

from daydreaming_dagster.domain.generation.records import MainRecord
from daydreaming_dagster.domain.shipped_stages import PARENT_STAGE
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.ports.errors import ArtifactError, InvalidMetadataError
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.ports.ids import is_id, is_stage
from daydreaming_dagster.types import JsonObject, Stage

Mode = Literal["llm", "copy"]

FORMAT_VERSION: Final = 2
"""The version of the main metadata that planning writes.

In 2, prompts may have turns and answers are kept whole. What has another version is read as it is,
and not rewritten. Without the field, it is 1.
"""


class Parent(NamedTuple):
    """A parent with its role in the stage's definition."""

    role: str
    ref: GenerationRef


@attrs.frozen
class GenerationMetadata:
    """How a generation is made: by a model (`llm`), or as a copy of its parent's text (`copy`).

    `parent_stage` and `parent_gen_id` name an only parent. If there are several, `several` names
    them in the order of the roles, a group in its own order. `record` is the main metadata that
    says so. It does not count in comparisons.
    """

    template_id: str
    parent_stage: Stage | None
    parent_gen_id: str | None
    mode: Mode
    combo_id: str
    cohort_id: str | None
    record: MainRecord = attrs.field(factory=MainRecord, eq=False, repr=False)
    several: tuple[Parent, ...] = ()

    @property
    def parent(self) -> GenerationRef | None:
        """The only parent, None if there is none or several."""
        if self.parent_stage is None or self.parent_gen_id is None:
            return None
        return GenerationRef(self.parent_stage, self.parent_gen_id)

    @property
    def parents(self) -> tuple[Parent, ...]:
        """All parents. The role of an only one is called like its stage."""
        if self.parent is not None:
            return (Parent(self.parent.stage, self.parent),)
        return self.several


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
    version = document.get(_FORMAT_VERSION, 1)
    if not isinstance(version, int) or version > FORMAT_VERSION:
        reason = f"metadata format {version!r} is newer than {FORMAT_VERSION}; update this package"
        raise InvalidMetadataError(stage, gen_id, reason)
    for key in sorted(record.malformed & _TEXTS):
        text_field(document, key, stage, gen_id)
    mode = (record.mode or "").strip().lower() or "llm"
    if mode not in ("llm", "copy"):
        reason = f"unknown mode {mode!r} (expected llm or copy)"
        raise InvalidMetadataError(stage, gen_id, reason)
    parents = _listed_parents(record, stage, gen_id)
    named = record.parent_gen_id or None
    if named is None:
        parent_stage = None
    elif parents:
        parent_stage = parents[0].ref.stage
    else:  # an older version wrote it
        parent_stage = PARENT_STAGE.get(stage)
    if mode == "copy" and parent_stage is None:
        raise InvalidMetadataError(stage, gen_id, "copy mode requires parent metadata")
    return GenerationMetadata(
        template_id=record.template_id or "",
        parent_stage=parent_stage,
        parent_gen_id=named,
        mode="copy" if mode == "copy" else "llm",
        combo_id=record.combo_id or "",
        cohort_id=record.cohort_id or record.origin_cohort_id or None,
        record=record,
        several=() if named is not None else parents,
    )


def _listed_parents(record: MainRecord, stage: Stage, gen_id: str) -> tuple[Parent, ...]:
    """Return the parents that main metadata lists with their roles.

    Raises:
        InvalidMetadataError: The list is malformed, or contradicts `parent_gen_id`.
    """
    if _PARENTS in record.malformed:
        reason = f"{_PARENTS} must be a list of role, stage and gen_id, each a string,"
        raise InvalidMetadataError(stage, gen_id, reason)
    parents = tuple(
        Parent(parent.role, GenerationRef(parent.stage, parent.gen_id))
        for parent in record.parents or ()
    )
    named = record.parent_gen_id or None
    if named is not None and parents and [parent.ref.gen_id for parent in parents] != [named]:
        reason = f"parent_gen_id names {named!r}, and {_PARENTS} something else,"
        raise InvalidMetadataError(stage, gen_id, reason)
    return parents


_PARENTS: Final = attrs.fields(MainRecord).parents.name
_FORMAT_VERSION: Final = attrs.fields(MainRecord).format_version.name
_TEXTS: Final = {field.name for field in attrs.fields(MainRecord) if field.type == str | None}


def ancestry(store: GensStore, stage: Stage, gen_id: str) -> list[GenerationRef]:
    """Return the generation and all that it goes back to, as far as there is metadata.

    Each is there once, before its parents.
    """
    oldest_first: list[GenerationRef] = []
    seen: set[GenerationRef] = set()

    def visit(ref: GenerationRef) -> None:
        seen.add(ref)
        for parent in reversed(known_parents(store, ref)):
            if parent not in seen:  # shared, or an ancestor of itself by a mistake in metadata
                visit(parent)
        oldest_first.append(ref)

    visit(GenerationRef(stage, gen_id))
    return oldest_first[::-1]


def known_parents(store: GensStore, ref: GenerationRef) -> list[GenerationRef]:
    """Return the parents of a generation; none if its metadata is missing or wrong."""
    try:
        parents = resolve_generation_metadata(store, *ref).parents
    except ArtifactError:
        return []
    return [
        parent.ref for parent in parents if is_stage(parent.ref.stage) and is_id(parent.ref.gen_id)
    ]


def combined_concepts(store: GensStore, ref: GenerationRef) -> list[str]:
    """Return the concepts that a generation combines; none if its metadata is missing or wrong."""
    try:
        return resolve_generation_metadata(store, *ref).record.concept_ids or []
    except ArtifactError:
        return []


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
