"""Texts that a cohort takes as they are stored, and makes others from: to judge them again."""

from collections.abc import Collection, Iterator, Sequence

import attrs

from daydreaming_dagster.domain.cohort.parents import Origin, PlannedText, agreeing
from daydreaming_dagster.domain.documents import Problem
from daydreaming_dagster.domain.generation.metadata import resolve_generation_metadata
from daydreaming_dagster.domain.stages import COMBO, GenerationRef, Pipeline, StageDefinition
from daydreaming_dagster.ports.errors import (
    ArtifactError,
    InvalidMetadataError,
    MissingArtifactError,
)
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.types import JsonObject, Stage

_TEXTS = "texts"


@attrs.frozen
class GivenText:
    """A stored text as a member of a cohort: its main metadata, and what can be made from it.

    Its combination stands in the ancestors as its metadata name it.
    """

    text: PlannedText
    metadata: JsonObject = attrs.field(hash=False)


def read_given_texts(
    store: GensStore, pipeline: Pipeline, gen_ids: Sequence[str], problems: list[Problem]
) -> list[GivenText]:
    """Return these texts, stage by stage in the order given; note those that cannot be used."""
    found: list[GivenText] = []
    for i, gen_id in enumerate(gen_ids):
        try:
            found.append(_read(store, pipeline, gen_id))
        except MissingArtifactError:
            reason = f"{gen_id!r} has no text yet; run its cohort first"
            problems.append(Problem((_TEXTS, i), reason))
        except ArtifactError as error:
            problems.append(Problem((_TEXTS, i), str(error)))
        except LookupError:
            problems.append(Problem((_TEXTS, i), f"there is no generation {gen_id!r}"))
    order = {stage: i for i, stage in enumerate(pipeline)}
    return sorted(found, key=lambda given: order[given.text.ref.stage])


def unused_texts(
    given: Collection[GivenText], stages: Collection[StageDefinition]
) -> Iterator[Problem]:
    """Yield a problem for each stage of given texts from which these stages make nothing."""
    parents = {stage for definition in stages for stage in definition.parent_stages}
    for stage in dict.fromkeys(one.text.ref.stage for one in given):
        if stage not in parents:
            reason = f"nothing is made from a text of the stage {stage}; name a template that is"
            yield Problem((_TEXTS,), reason, of_whole=True)


def _read(store: GensStore, pipeline: Pipeline, gen_id: str) -> GivenText:
    """Return a given text.

    Raises:
        LookupError: No stage has it.
        DataLayerError: It has no text, or its metadata is malformed, or it is a canary.
    """
    stage = next((stage for stage in pipeline if store.exists(stage, gen_id)), None)
    if stage is None:
        raise LookupError(gen_id)
    store.read_parsed(stage, gen_id)
    metadata = resolve_generation_metadata(store, stage, gen_id)
    if metadata.record.canary_of is not None:  # its scores say something of judges alone
        reason = f"it is a canary made of {metadata.record.canary_of}, which no cohort can have,"
        raise InvalidMetadataError(stage, gen_id, reason)
    ancestors = {
        name: value
        for name, value in _lineage(store, GenerationRef(stage, gen_id)).items()
        if name != stage
    }
    origin = Origin(metadata.parents, ancestors, ({},))
    text = PlannedText(GenerationRef(stage, gen_id), origin, ({},))
    return GivenText(text, metadata.record.document)


def _lineage(store: GensStore, ref: GenerationRef) -> dict[Stage, str]:
    """Return a generation and its only ancestors by stage, and its only combination."""
    metadata = resolve_generation_metadata(store, *ref)
    above = agreeing([_lineage(store, parent.ref) for parent in metadata.parents])
    combo = {COMBO: metadata.combo_id} if metadata.combo_id else {}
    return {**above, **combo, ref.stage: ref.gen_id}
