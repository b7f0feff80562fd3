"""The progress of a cohort's generations, and what a run has to make."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Self

import attrs

from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.generation.state import (
    COMPLETE,
    STATE_ARTIFACTS,
    State,
    read_state,
    readable_state,
)
from daydreaming_dagster.domain.stages import StageDefinition
from daydreaming_dagster.formatting import counted
from daydreaming_dagster.ports.gens_store import GensStore, read_ahead
from daydreaming_dagster.types import Stage


@attrs.frozen
class StageStatus:
    """The generations of a stage by progress; `planned` counts all of them.

    `unparsed` generations have an answer, but no text or score from it. A generation with an
    unreadable artifact is among them, because it needs attention.
    """

    stage: Stage
    planned: int
    done: int
    unparsed: tuple[str, ...]
    missing: tuple[str, ...]

    @classmethod
    def of(cls, stage: Stage, states: Mapping[str, State]) -> Self:
        """Return the status of generations in these states, by gen_id."""
        todo = {gen_id: state for gen_id, state in states.items() if state not in COMPLETE}
        missing = tuple(gen_id for gen_id, state in todo.items() if state == "not answered")
        unparsed = tuple(gen_id for gen_id, state in todo.items() if state != "not answered")
        return cls(stage, len(states), len(states) - len(todo), unparsed, missing)

    @property
    def todo(self) -> tuple[str, ...]:
        """The generations that a run has to make or parse."""
        return (*self.unparsed, *self.missing)


def say_progress(stages: Iterable[StageStatus]) -> str:
    """Return how far a cohort is: `3 of 3 drafts, 0 of 6 essays done`."""
    counts = (f"{one.done:,} of {counted(one.planned, one.stage)}" for one in stages if one.planned)
    return f"{', '.join(counts)} done"


def stage_status(
    store: GensStore, definition: StageDefinition, gen_ids: Sequence[str]
) -> StageStatus:
    """Return the progress of these generations of a stage, reading each of them."""
    return StageStatus.of(
        definition.name,
        {
            gen_id: readable_state(read_state(view, definition, gen_id))
            for gen_id, view in read_ahead(store, definition.name, gen_ids, STATE_ARTIFACTS)
        },
    )


def generations_to_make(
    members: Mapping[Stage, Sequence[str]],
    states: Mapping[Stage, StageStatus],
    stale: Mapping[Stage, Collection[str]] | None = None,
    force: Collection[str] = (),
) -> dict[Stage, list[str]]:
    """Return what a run of a cohort has to make, in planned order.

    This includes generations that are not done according to `states`, `stale` ones, and those in
    `force`.

    Raises:
        CatalogError: A gen_id in `force` is not in the cohort.
    """
    known = {gen_id for gen_ids in members.values() for gen_id in gen_ids}
    strange = tuple(f"{gen_id!r} is not in the cohort" for gen_id in force if gen_id not in known)
    if strange:
        raise CatalogError("the generations to force", strange)
    todo: dict[Stage, list[str]] = {}
    for stage, gen_ids in members.items():
        wanted = {*states[stage].todo, *force, *(stale or {}).get(stage, ())}
        todo[stage] = [gen_id for gen_id in gen_ids if gen_id in wanted]
    return todo
