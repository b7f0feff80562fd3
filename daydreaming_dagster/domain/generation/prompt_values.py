"""What a template of each stage is rendered with."""

from collections.abc import Iterable
from typing import Protocol

from daydreaming_dagster.domain.errors import UnknownCombinationError
from daydreaming_dagster.domain.generation.metadata import GenerationMetadata
from daydreaming_dagster.ports.errors import InvalidMetadataError
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.ports.ids import check_stage
from daydreaming_dagster.types import Stage


class ContentCombination(Protocol):
    """A combination of concepts: `contents` are the concepts, each with `name` and `content`."""

    @property
    def combo_id(self) -> str: ...

    @property
    def contents(self) -> object: ...


def compute_prompt_values(
    store: GensStore,
    stage: Stage,
    gen_id: str,
    metadata: GenerationMetadata,
    content_combinations: Iterable[ContentCombination] | None,
) -> dict[str, object]:
    """Return the variables of the generation's template.

    A draft gets `concepts`, an essay its draft's parsed text as `draft_block` and
    `links_block`, an evaluation its essay's as `response`.

    Raises:
        UnknownCombinationError: No combination has the draft's `combo_id`.
        InvalidMetadataError: An essay or evaluation names no parent.
        MissingArtifactError: The parent has no parsed text.
        InvalidIdError: There is no such stage.
    """
    if check_stage(stage) == "draft":
        for combination in content_combinations or ():
            if combination.combo_id == metadata.combo_id:
                return {"concepts": combination.contents}
        raise UnknownCombinationError(metadata.combo_id, gen_id)
    text = read_parent_text(store, stage, gen_id, metadata)
    if stage == "essay":
        return {"draft_block": text, "links_block": text}
    return {"response": text}


def read_parent_text(
    store: GensStore, stage: Stage, gen_id: str, metadata: GenerationMetadata
) -> str:
    """Return the parsed text of the generation's parent.

    Raises:
        InvalidMetadataError: It has no parent.
        MissingArtifactError: The parent has no parsed text.
    """
    if metadata.parent_stage is None or metadata.parent_gen_id is None:
        raise InvalidMetadataError(stage, gen_id, "parent_gen_id is missing in the metadata")
    return store.read_parsed(metadata.parent_stage, metadata.parent_gen_id)
