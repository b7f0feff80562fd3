"""Which generations of a cohort a run has to make, and which stored answers went stale."""

from collections.abc import Collection, Mapping, Sequence

from daydreaming_dagster.data_layer.generation_metadata import interpret_main_metadata
from daydreaming_dagster.data_layer.gens_store import GensStore
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.generation import find_answer, make_recipe, why_stale
from daydreaming_dagster.domain.results import stage_status
from daydreaming_dagster.domain.stage_input import render_planned_input
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.types import STAGES, Stage


def find_stale(
    store: GensStore, catalog: Catalog, members: Mapping[Stage, Sequence[str]]
) -> dict[Stage, dict[str, str]]:
    """Return the generations with an answer to another question than today's, each with why.

    Stale too are the descendants of a stale generation: what they answer is about to change.
    One whose prompt cannot be made (its parent is missing, say) is not stale.
    """
    stale: dict[Stage, dict[str, str]] = {stage: {} for stage in STAGES}
    for stage in STAGES:
        for gen_id in members[stage]:
            reason = _why_stale(store, catalog, stage, gen_id, stale)
            if reason is not None:
                stale[stage][gen_id] = reason
    return stale


def generations_to_make(
    store: GensStore,
    members: Mapping[Stage, Sequence[str]],
    stale: Mapping[Stage, Collection[str]] | None = None,
    again: Collection[str] = (),
) -> dict[Stage, list[str]]:
    """Return what a run of a cohort has to make, in planned order.

    That is what is not done, what is `stale`, and the gen_ids in `again`.

    Raises:
        CatalogError: One of `again` is not in the cohort.
    """
    known = {gen_id for gen_ids in members.values() for gen_id in gen_ids}
    strange = tuple(f"{gen_id!r} is not in the cohort" for gen_id in again if gen_id not in known)
    if strange:
        raise CatalogError("the generations that are asked for again", strange)
    todo: dict[Stage, list[str]] = {}
    for stage, gen_ids in members.items():
        wanted = {*stage_status(store, stage, gen_ids).todo, *again, *(stale or {}).get(stage, ())}
        todo[stage] = [gen_id for gen_id in gen_ids if gen_id in wanted]
    return todo


def _why_stale(
    store: GensStore,
    catalog: Catalog,
    stage: Stage,
    gen_id: str,
    stale: Mapping[Stage, Mapping[str, str]],
) -> str | None:
    try:
        document = store.read_main_metadata(stage, gen_id)
        metadata = interpret_main_metadata(document, stage, gen_id)
        parent_stage, parent_gen_id = metadata.parent_stage, metadata.parent_gen_id
        answer = find_answer(store, stage, gen_id)
        if answer is None:
            return None
        if parent_stage is not None and parent_gen_id in stale[parent_stage]:
            return f"its {parent_stage} {parent_gen_id} is stale"
        recipe = make_recipe(store, catalog, stage, gen_id, document)
        prompt = render_planned_input(store, catalog, stage, gen_id, document)
    except DaydreamingError:
        return None
    return why_stale(answer.metadata, recipe, prompt)
