"""How far a cohort is, and which of its stored answers went stale."""

from collections.abc import Collection, Mapping, Sequence

import attrs

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.index import CohortIndex, digest_inputs
from daydreaming_dagster.domain.cohort.progress import StageStatus
from daydreaming_dagster.domain.generation.metadata import resolve_generation_metadata
from daydreaming_dagster.domain.generation.prompts import render_planned_input
from daydreaming_dagster.domain.generation.recipe import make_recipe, why_stale
from daydreaming_dagster.domain.generation.state import (
    GenerationState,
    State,
    read_state,
    readable_state,
)
from daydreaming_dagster.domain.stages import PARENT_STAGE, GenerationRef
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.ports.errors import DataLayerError
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates, versions_of
from daydreaming_dagster.types import STAGES, Stage


@attrs.frozen
class CohortState:
    """How far a cohort is, which of its answers are stale and why, and what of it can be kept.

    `unknown_finish` are the finish reasons of answers that nobody knows to be whole. `index` makes
    the next look short.
    """

    stages: Mapping[Stage, StageStatus]
    stale: Mapping[Stage, Mapping[str, str]]
    unknown_finish: Mapping[Stage, Mapping[str, str]]
    index: CohortIndex = attrs.field(repr=False)


def look_at_cohort(
    store: GensStoreWithTemplates,
    catalog: Catalog | None,
    members: Mapping[Stage, Sequence[str]],
    index: CohortIndex,
) -> CohortState:
    """Return the state of a cohort. What did not change since `index` was made is not read.

    Stale are the generations with an answer to another question than today's, and their
    descendants: what these answer is about to change. One whose prompt cannot be made (its parent
    is missing, say) is not stale; without a catalog, nothing is.
    """
    inputs = "" if catalog is None else digest_inputs(store, catalog)
    before = index if index.inputs == inputs else attrs.evolve(index, parents={}, stale={})
    looks: dict[Stage, _StageLook] = {}
    for stage in STAGES:
        looks[stage] = _look_at_stage(store, catalog, stage, members[stage], before, looks)
    kept: dict[Stage, dict[str, str]] = {stage: look.kept for stage, look in looks.items()}
    seen = CohortIndex(
        inputs=inputs,
        done=kept,
        parents={stage: _only(kept[stage], look.parents) for stage, look in looks.items()},
        stale={stage: _only(kept[stage], look.stale) for stage, look in looks.items()},
        unknown_finish={
            stage: _only(kept[stage], look.unknown_finish) for stage, look in looks.items()
        },
    )
    return CohortState(
        {stage: look.status for stage, look in looks.items()},
        {stage: look.stale for stage, look in looks.items()},
        {stage: look.unknown_finish for stage, look in looks.items()},
        seen,
    )


@attrs.frozen
class _StageLook:
    """What was seen of a stage.

    Attributes:
        status: How far its generations are.
        kept: The versions of those whose next look this one can save.
        parents: The parent's gen_id of those whose staleness is known, `""` if they have none.
        stale: Why those of them that are stale are.
        unknown_finish: The finish reasons whose meaning is unknown.
        same: Those whose staleness is as it was: they, their ancestors and all inputs are.
    """

    status: StageStatus
    kept: dict[str, str]
    parents: dict[str, str]
    stale: dict[str, str]
    unknown_finish: dict[str, str]
    same: set[str]


def _look_at_stage(  # noqa: PLR0913, PLR0917  a stage, what it is seen with, what was seen before
    store: GensStoreWithTemplates,
    catalog: Catalog | None,
    stage: Stage,
    gen_ids: Sequence[str],
    before: CohortIndex,
    looks: Mapping[Stage, _StageLook],
) -> _StageLook:
    # Before anything is read: what changes meanwhile has another version at the next look.
    versions = versions_of(store, stage) if gen_ids else {}
    done, known = before.done.get(stage, {}), before.parents.get(stage, {})
    states: dict[str, State] = {}
    parents: dict[str, str] = {}
    stale: dict[str, str] = {}
    unknown_finish: dict[str, str] = {}
    same: set[str] = set()
    for gen_id in gen_ids:
        stored = read_state(store, stage, gen_id)
        unchanged = gen_id in done and done[gen_id] == versions.get(gen_id)
        states[gen_id] = "done" if unchanged else readable_state(stored)
        if states[gen_id] == "not answered":
            continue
        finish = before.unknown_finish.get(stage, {}).get(gen_id)
        if not unchanged:
            finish = _unknown_finish(stored)
        if finish is not None:
            unknown_finish[gen_id] = finish
        if catalog is None:
            continue
        parent = known.get(gen_id) if unchanged else None
        if parent == "" or (parent and parent in looks[PARENT_STAGE[stage]].same):
            same.add(gen_id)
            reason = before.stale.get(stage, {}).get(gen_id)
        else:
            parent, reason = _why_stale(store, catalog, GenerationRef(stage, gen_id), stored, looks)
        parents[gen_id] = parent
        if reason is not None:
            stale[gen_id] = reason
    status = StageStatus.of(stage, states)
    kept = (versions.keys() & states.keys()) - set(status.todo)
    return _StageLook(status, _only(kept, versions), parents, stale, unknown_finish, same)


def _unknown_finish(stored: GenerationState) -> str | None:
    try:
        return stored.raw_record.unknown_finish
    except DataLayerError:  # its state says so
        return None


def _why_stale(
    store: GensStoreWithTemplates,
    catalog: Catalog,
    ref: GenerationRef,
    stored: GenerationState,
    looks: Mapping[Stage, _StageLook],
) -> tuple[str, str | None]:
    """Return the gen_id of its parent, `""` if it has none, and why it is stale, if it is."""
    parent = ""
    try:
        metadata = resolve_generation_metadata(store, *ref)
        if metadata.parent is not None:
            parent = metadata.parent.gen_id
        if stored.answer is None:
            return parent, None
        if metadata.parent is not None and parent in looks[metadata.parent.stage].stale:
            return parent, f"its {metadata.parent.stage} {parent} is stale"
        recipe = make_recipe(store, catalog, *ref, metadata)
        prompt = render_planned_input(store, catalog, ref.gen_id, metadata, recipe)
        return parent, why_stale(stored.question, recipe, prompt)
    except DaydreamingError:
        return parent, None


def _only(gen_ids: Collection[str], texts: Mapping[str, str]) -> dict[str, str]:
    return {gen_id: text for gen_id, text in texts.items() if gen_id in gen_ids}
