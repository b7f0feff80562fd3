"""How far the generations of a cohort are, and what a run of it has to make."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import attrs

from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.generation.stored import has_text, if_there, is_current
from daydreaming_dagster.ports.errors import MalformedArtifactError, UnsafePathError
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.types import Stage


@attrs.frozen
class StageStatus:
    """The generations of a stage by how far they are; `planned` counts them all."""

    stage: Stage
    planned: int
    done: int
    unparsed: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def todo(self) -> tuple[str, ...]:
        """The generations that a run has to look at again."""
        return (*self.unparsed, *self.missing)


def stage_status(
    store: GensStore, stage: Stage, gen_ids: Iterable[str], known_done: Collection[str] = ()
) -> StageStatus:
    """Return how far these generations are: a text parsed from the present answer ends one.

    Those in `known_done` are taken to be done, and not read. One with an artifact that is
    malformed, or cannot be read safely, is `unparsed`: it is to be looked at.
    """
    planned, unparsed, missing = 0, list[str](), list[str]()
    for gen_id in gen_ids:
        planned += 1
        if gen_id in known_done:
            continue
        try:
            if has_text(store.read_parsed, stage, gen_id) and _is_current(store, stage, gen_id):
                continue
            begun = has_text(store.read_raw, stage, gen_id)
        except (MalformedArtifactError, UnsafePathError):
            begun = True
        (unparsed if begun else missing).append(gen_id)
    done = planned - len(unparsed) - len(missing)
    return StageStatus(stage, planned, done, tuple(unparsed), tuple(missing))


def _is_current(store: GensStore, stage: Stage, gen_id: str) -> bool:
    raw = if_there(store.read_raw_metadata, stage, gen_id)
    return is_current(raw, if_there(store.read_parsed_metadata, stage, gen_id))


def generations_to_make(
    members: Mapping[Stage, Sequence[str]],
    states: Mapping[Stage, StageStatus],
    stale: Mapping[Stage, Collection[str]] | None = None,
    force: Collection[str] = (),
) -> dict[Stage, list[str]]:
    """Return what a run of a cohort has to make, in planned order.

    That is what is not done according to `states`, what is `stale`, and the gen_ids in `force`.

    Raises:
        CatalogError: One of `force` is not in the cohort.
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
