"""Which stored generations are needed, and by whom."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from daydreaming_dagster.domain.generation.metadata import resolve_generation_metadata
from daydreaming_dagster.domain.stages import GenerationRef, Pipeline
from daydreaming_dagster.ports.errors import MissingArtifactError
from daydreaming_dagster.ports.gens_store import GensStore, read_ahead
from daydreaming_dagster.types import Stage


def refs_of(members: Mapping[Stage, Sequence[str]]) -> Iterator[GenerationRef]:
    """Yield the generations of a cohort by its members."""
    for stage, gen_ids in members.items():
        for gen_id in gen_ids:
            yield GenerationRef(stage, gen_id)


def with_ancestors(store: GensStore, refs: Iterable[GenerationRef]) -> set[GenerationRef]:
    """Return these generations and all that they go back to, as far as the store has them.

    Raises:
        DataLayerError: Metadata of one of them is malformed, so that nobody knows its parents.
    """
    found: set[GenerationRef] = set()
    left = set(refs)
    while left:
        found |= left
        parents: set[GenerationRef] = set()
        for stage in sorted({ref.stage for ref in left}):
            gen_ids = sorted(ref.gen_id for ref in left if ref.stage == stage)
            for gen_id, view in read_ahead(store, stage, gen_ids, ("main_metadata",)):
                with suppress(MissingArtifactError):
                    metadata = resolve_generation_metadata(view, stage, gen_id)
                    parents.update(parent.ref for parent in metadata.parents)
        left = parents - found
    return found


def list_stored(store: GensStore, pipeline: Pipeline) -> set[GenerationRef]:
    """Return all generations of a store."""
    return {
        GenerationRef(stage, gen_id)
        for stage in pipeline
        for gen_id in store.list_generations(stage)
    }


def children_first(pipeline: Pipeline, refs: Collection[GenerationRef]) -> Sequence[GenerationRef]:
    """Return generations in an order in which none comes before what is made from it."""
    position = {stage: i for i, stage in enumerate(pipeline)}
    return sorted(refs, key=lambda ref: (-position[ref.stage], ref.gen_id))
