"""The order in which the generations of a run start."""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from typing import Self

import attrs

from daydreaming_dagster.domain.generation.metadata import known_parents
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.ports.gens_store import GensStore, read_ahead
from daydreaming_dagster.types import Stage


@attrs.frozen
class RunOrder:
    """Which generations of a run can start: those whose parents in the run are made.

    `members` are all generations of the run, and `again` are those that were started before and
    can go on. `busy` are those that were taken and neither ended nor wait for a call.
    """

    members: Collection[GenerationRef] = ()
    ready: deque[GenerationRef] = attrs.field(factory=deque)
    again: deque[GenerationRef] = attrs.field(factory=deque)
    busy: set[GenerationRef] = attrs.field(factory=set)
    _children: dict[GenerationRef, list[GenerationRef]] = attrs.field(factory=dict)
    _awaited: dict[GenerationRef, int] = attrs.field(factory=dict)

    @classmethod
    def of(
        cls,
        store: GensStore,
        generations: Mapping[Stage, Sequence[str]],
        without: Collection[GenerationRef] = (),
    ) -> Self:
        """Return the order of generations, in the order in which they are given.

        One whose metadata is wrong can start: `generate` reports the error. Those in `without` and
        their descendants never start.
        """
        members = {
            GenerationRef(stage, gen_id)
            for stage, gen_ids in generations.items()
            for gen_id in gen_ids
        }
        order = cls(members)
        for stage, gen_ids in generations.items():
            for gen_id, view in read_ahead(store, stage, gen_ids, ["main_metadata"]):
                ref = GenerationRef(stage, gen_id)
                awaited = members.intersection(known_parents(view, ref)) - {ref}
                for parent in awaited:
                    order._children.setdefault(parent, []).append(ref)
                order._awaited[ref] = len(awaited) + (ref in without)
                if not order._awaited[ref]:
                    order.ready.append(ref)
        return order

    def take(self, *, no_more: bool = False) -> GenerationRef | None:
        """Take the next generation to start, None if there is none; with `no_more`, no new one."""
        queue = self.again or (() if no_more else self.ready)
        if not queue:
            return None
        ref = queue.popleft()
        self.busy.add(ref)
        return ref

    def note_made(self, ref: GenerationRef) -> None:
        """Let those start of which this was the last parent to be made."""
        for child in self._children.pop(ref, ()):
            self._awaited[child] -= 1
            if not self._awaited[child]:
                self.ready.append(child)
