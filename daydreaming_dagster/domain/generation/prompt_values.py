"""The variables of templates, by stage."""

from collections.abc import Iterable
from typing import Protocol

from daydreaming_dagster.domain.errors import UnknownCombinationError
from daydreaming_dagster.domain.generation.metadata import GenerationMetadata
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.domain.stages import Pipeline
from daydreaming_dagster.ports.errors import InvalidMetadataError
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.types import Stage


class ContentCombination(Protocol):
    """A combination of concepts. `contents` are the concepts, each with `name` and `content`."""

    @property
    def combo_id(self) -> str: ...

    @property
    def contents(self) -> object: ...


def compute_prompt_values(  # noqa: PLR0913, PLR0917  the last one came later
    store: GensStore,
    stage: Stage,
    gen_id: str,
    metadata: GenerationMetadata,
    content_combinations: Iterable[ContentCombination] | None,
    pipeline: Pipeline = SHIPPED,
) -> dict[str, object]:
    """Return the variables of the generation's template.

    They are those of the stage's definition: concepts, or the parents' parsed texts. A group of
    parents is a list of texts.

    Raises:
        UnknownCombinationError: No combination has the generation's `combo_id`.
        InvalidMetadataError: It needs a parent that its metadata does not name.
        MissingArtifactError: A parent has no parsed text.
        InvalidIdError: The pipeline has no such stage.
    """
    definition = pipeline[stage]
    if not definition.parents:
        for combination in content_combinations or ():
            if combination.combo_id == metadata.combo_id:
                return definition.prompt_values({"": combination.contents})
        raise UnknownCombinationError(stage, gen_id, metadata.combo_id)
    if definition.only_parent is not None:
        text = read_parent_text(store, stage, gen_id, metadata)
        return definition.prompt_values({definition.only_parent.name: text})
    texts: dict[str, object] = {}
    for role in definition.parents:
        of_role = [parent.ref for parent in metadata.parents if parent.role == role.name]
        if not of_role or (role.all_of is None and len(of_role) > 1):
            reason = f"its metadata names {len(of_role)} parents for the role {role.name}"
            raise InvalidMetadataError(stage, gen_id, reason)
        read = [store.read_parsed(*ref) for ref in of_role]
        texts[role.name] = read[0] if role.all_of is None else read
    return definition.prompt_values(texts)


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
