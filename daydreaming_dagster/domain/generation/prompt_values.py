"""The variables of templates, by stage."""

from collections.abc import Iterable
from typing import Protocol

from daydreaming_dagster.domain.errors import UnknownCombinationError
from daydreaming_dagster.domain.generation.metadata import GenerationMetadata
from daydreaming_dagster.domain.stages import STAGE_DEFINITIONS
from daydreaming_dagster.ports.errors import InvalidMetadataError
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.ports.ids import check_stage
from daydreaming_dagster.types import Stage


class ContentCombination(Protocol):
    """A combination of concepts. `contents` are the concepts, each with `name` and `content`."""

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

    They are those of the stage's definition: concepts, or the parent's parsed text.

    Raises:
        UnknownCombinationError: No combination has the draft's `combo_id`.
        InvalidMetadataError: It needs a parent, and its metadata names none.
        MissingArtifactError: The parent has no parsed text.
        InvalidIdError: There is no such stage.
    """
    definition = STAGE_DEFINITIONS[check_stage(stage)]
    value: object
    if definition.parent is None:
        value = _find_contents(gen_id, metadata.combo_id, content_combinations or ())
    else:
        value = read_parent_text(store, stage, gen_id, metadata)
    return dict.fromkeys(definition.variables, value)


def _find_contents(
    gen_id: str, combo_id: str, content_combinations: Iterable[ContentCombination]
) -> object:
    for combination in content_combinations:
        if combination.combo_id == combo_id:
            return combination.contents
    raise UnknownCombinationError(combo_id, gen_id)


def read_parent_text(
    store: GensStore, stage: Stage, gen_id: str, metadata: GenerationMetadata
) -> str:
    """Return the parsed text of the generation's parent.

    Raises:
        InvalidMetadataError: It has no parent.
        MissingArtifactError: The parent has no parsed text.
    """
    if metadata.parent is None:
        raise InvalidMetadataError(stage, gen_id, "parent_gen_id is missing in the metadata")
    return store.read_parsed(*metadata.parent)
