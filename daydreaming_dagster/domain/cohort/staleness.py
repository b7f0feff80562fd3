"""How far a cohort is, what a run of it has to make, and which stored answers went stale."""

from collections.abc import Mapping, Sequence

import attrs

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.index import CohortIndex, digest_inputs
from daydreaming_dagster.domain.cohort.progress import StageStatus, stage_status
from daydreaming_dagster.domain.generation.answers import find_answer
from daydreaming_dagster.domain.generation.metadata import resolve_generation_metadata
from daydreaming_dagster.domain.generation.prompts import render_planned_input
from daydreaming_dagster.domain.generation.recipe import make_recipe, why_stale
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates, versions_of
from daydreaming_dagster.types import PARENT_STAGE, STAGES, Stage


@attrs.frozen
class CohortState:
    """How far a cohort is, which of its answers are stale and why, and what of it can be kept.

    `index` makes the next look short.
    """

    stages: Mapping[Stage, StageStatus]
    stale: Mapping[Stage, Mapping[str, str]]
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
    stages: dict[Stage, StageStatus] = {}
    stale: dict[Stage, dict[str, str]] = {stage: {} for stage in STAGES}
    # Those whose staleness is as it was: they, their ancestors and all inputs are.
    same: dict[Stage, set[str]] = {stage: set() for stage in STAGES}
    seen = CohortIndex(inputs=inputs)
    for stage in STAGES:
        gen_ids = members[stage]
        # Before anything is read: what changes meanwhile has another version at the next look.
        versions = versions_of(store, stage) if gen_ids else {}
        before = index.done.get(stage, {})
        unchanged = {
            gen_id for gen_id, version in before.items() if versions.get(gen_id) == version
        }
        stages[stage] = stage_status(store, stage, gen_ids, unchanged)
        kept = (versions.keys() & set(gen_ids)) - set(stages[stage].todo)
        seen.done[stage] = {gen_id: versions[gen_id] for gen_id in kept}
        if catalog is None:
            continue
        parents = index.parents.get(stage, {}) if index.inputs == inputs else {}
        seen.parents[stage] = {}
        unanswered = set(stages[stage].missing)
        for gen_id in gen_ids:
            if gen_id in unanswered:  # and so not stale
                continue
            parent = parents.get(gen_id) if gen_id in unchanged else None
            if parent == "" or (parent is not None and parent in same[PARENT_STAGE[stage]]):
                same[stage].add(gen_id)
                reason = index.stale.get(stage, {}).get(gen_id)
            else:
                parent, reason = _why_stale(store, catalog, stage, gen_id, stale)
            if reason is not None:
                stale[stage][gen_id] = reason
            if gen_id in kept:
                seen.parents[stage][gen_id] = parent
        seen.stale[stage] = {
            gen_id: reason for gen_id, reason in stale[stage].items() if gen_id in kept
        }
    return CohortState(stages, stale, seen)


def _why_stale(
    store: GensStoreWithTemplates,
    catalog: Catalog,
    stage: Stage,
    gen_id: str,
    stale: Mapping[Stage, Mapping[str, str]],
) -> tuple[str, str | None]:
    """Return the gen_id of its parent, `""` where it has none, and why it is stale, if it is."""
    parent = ""
    try:
        metadata = resolve_generation_metadata(store, stage, gen_id)
        parent_stage, parent_gen_id = metadata.parent_stage, metadata.parent_gen_id
        if parent_stage is not None and parent_gen_id is not None:
            parent = parent_gen_id
        answer = find_answer(store, stage, gen_id)
        if answer is None:
            return parent, None
        if parent_stage is not None and parent in stale[parent_stage]:
            return parent, f"its {parent_stage} {parent} is stale"
        recipe = make_recipe(store, catalog, stage, gen_id, metadata)
        prompt = render_planned_input(store, catalog, gen_id, metadata, recipe)
    except DaydreamingError:
        return parent, None
    return parent, why_stale(answer.metadata, recipe, prompt)
