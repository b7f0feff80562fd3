"""The parts of a cohort that several workers make."""

from collections.abc import Mapping, Sequence

import attrs

from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.generation.metadata import known_parents
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.ports.gens_store import GensStore, read_ahead
from daydreaming_dagster.types import Stage


@attrs.frozen
class Part:
    """Generations that one worker makes together; `number` is that of the worker that begins it.

    Those of `level` 0 need nothing of other workers. Those of a later level need what other workers
    make in the levels before it.
    """

    level: int
    number: int


@attrs.frozen
class Division:
    """The part of each generation of a cohort, and what it needs of others.

    Attributes:
        parts: The part by generation.
        foreign_parents: The parents in other parts, of the generations that have any.
    """

    parts: Mapping[GenerationRef, Part]
    foreign_parents: Mapping[GenerationRef, Sequence[GenerationRef]]

    @property
    def levels(self) -> int:
        """How many levels there are."""
        return 1 + max((part.level for part in self.parts.values()), default=0)


def divide(store: GensStore, members: Mapping[Stage, Sequence[str]], workers: int) -> Division:
    """Return the parts of a cohort for so many workers, the same in every process.

    A generation belongs to the worker of its first parent, and one without parents to that of a
    digest of its id. So whole chains are together, and the stages of a chain overlap. `members` are
    all generations of the cohort, in the order of the stages.
    """
    parts: dict[GenerationRef, Part] = {}
    foreign: dict[GenerationRef, list[GenerationRef]] = {}
    for stage, gen_ids in members.items():
        for gen_id, view in read_ahead(store, stage, gen_ids, ["main_metadata"]):
            ref = GenerationRef(stage, gen_id)
            parents = [parent for parent in known_parents(view, ref) if parent in parts]
            if not parents:
                parts[ref] = Part(0, int(sha256(f"{stage}/{gen_id}"), 16) % workers)
                continue
            number = parts[parents[0]].number
            level = max(
                parts[parent].level + (parts[parent].number != number) for parent in parents
            )
            parts[ref] = Part(level, number)
            if others := [parent for parent in parents if parts[parent] != parts[ref]]:
                foreign[ref] = others
    return Division(parts, foreign)
