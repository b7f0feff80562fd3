"""The order in which the generations of a run start."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Self

import attrs

from daydreaming_dagster.domain.generation.metadata import known_parents
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.ports.gens_store import GensStore, read_ahead
from daydreaming_dagster.types import Stage


@attrs.frozen
class RunOrder:
    """Which generations of a run can start: those whose parents in the run are made."""

    ready: deque[GenerationRef] = attrs.field(factory=deque)
    _children: dict[GenerationRef, list[GenerationRef]] = attrs.field(factory=dict)
    _awaited: dict[GenerationRef, int] = attrs.field(factory=dict)

    @classmethod
    def of(cls, store: GensStore, generations: Mapping[Stage, Sequence[str]]) -> Self:
        """Return the order of generations, in the order in which they are given.

        One whose metadata is wrong can start: `generate` reports the error.
        """
        order = cls()
        members = {
            GenerationRef(stage, gen_id)
            for stage, gen_ids in generations.items()
            for gen_id in gen_ids
        }
        for stage, gen_ids in generations.items():
            for gen_id, view in read_ahead(store, stage, gen_ids, ["main_metadata"]):
                ref = GenerationRef(stage, gen_id)
                awaited = members.intersection(known_parents(view, ref)) - {ref}
                for parent in awaited:
                    order._children.setdefault(parent, []).append(ref)
                order._awaited[ref] = len(awaited)
                if not awaited:
                    order.ready.append(ref)
        return order

    def note_made(self, ref: GenerationRef) -> None:
        """Let those start of which this was the last parent to be made."""
        for child in self._children.pop(ref, ()):
            self._awaited[child] -= 1
            if not self._awaited[child]:
                self.ready.append(child)
