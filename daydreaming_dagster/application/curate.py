"""Deletes what nobody needs any more: a cohort with what only it has, and generations of none."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Final

import attrs

from daydreaming_dagster.domain.batch.record import waiting_in
from daydreaming_dagster.domain.cohort.sharing import (
    children_first,
    list_stored,
    refs_of,
    with_ancestors,
)
from daydreaming_dagster.domain.documents import suggestion
from daydreaming_dagster.domain.errors import (
    AnswerAwaitedError,
    CatalogError,
    CohortInUseError,
    CohortNotPlannedError,
    GenerationBusyError,
    UnknownCohortError,
)
from daydreaming_dagster.domain.loop.journal import Journal
from daydreaming_dagster.domain.people.canaries import list_canaries
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.ports.batch_store import BatchStore
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStore, claim_generation, threads_for
from daydreaming_dagster.ports.loop_store import LoopStore

MISNAMED: Final = (
    "give the folder a name of letters, digits, _ and -, or move it out of the data root"
)
"""What to do with the folders of `list_misnamed`."""


@attrs.frozen
class CohortDeletion:
    """What the deletion of a cohort deletes, and what it leaves.

    Attributes:
        cohort_id: Which cohort. Its specification, plan and reports are deleted.
        deleted: The generations that only it has, each before those that it is made from.
        kept: Those of its generations that are needed elsewhere: by another cohort, a loop, or a
            generation of no cohort.
    """

    cohort_id: str
    deleted: Sequence[GenerationRef]
    kept: Sequence[GenerationRef]


def preview_deletion(
    store: GensStore,
    cohorts: CohortStore,
    loops: LoopStore | None,
    cohort_id: str,
    batches: BatchStore | None = None,
) -> CohortDeletion:
    """Return what `delete_cohort` would do. Writes nothing.

    Raises:
        UnknownCohortError: There is no such cohort.
        CatalogError: A membership or journal is malformed, or a cohort's folder has a name that no
            command takes, so that nobody knows what is shared.
        CohortInUseError: A loop made the cohort.
        AnswerAwaitedError: A batch has the answer of a generation that would be deleted.
        DataLayerError: Metadata of a generation that stays is malformed.
    """
    pipeline = cohorts.read_pipeline()
    planned = cohorts.list_planned_cohorts()
    known = {*planned, *cohorts.list_cohorts()}
    if cohort_id not in known:
        raise UnknownCohortError(cohort_id, suggestion(cohort_id, known))
    journals = _journals(loops)
    for loop_id, journal in journals.items():
        if any(cohort_id == each.chosen.cohort_id for each in journal.rounds):
            raise CohortInUseError(cohort_id, loop_id)
    canaries = dict(list_canaries(store, pipeline, pipeline))
    try:
        members = _with_canaries(canaries, refs_of(cohorts.read_membership(cohort_id)))
    except CohortNotPlannedError:
        members = set()
    stored = list_stored(store, pipeline)
    there, staying = stored & members, stored - members
    others = _in_cohorts(cohorts, [other for other in planned if other != cohort_id])
    needed = with_ancestors(store, [*staying, *others, *_in_loops(journals)])
    needed = _with_canaries(canaries, needed)
    _check_names(cohorts, loops, there - needed)
    _check_batches(batches, there - needed)
    return CohortDeletion(
        cohort_id,
        children_first(pipeline, there - needed),
        children_first(pipeline, there & needed),
    )


def delete_cohort(
    store: GensStore,
    cohorts: CohortStore,
    loops: LoopStore | None,
    cohort_id: str,
    batches: BatchStore | None = None,
) -> CohortDeletion:
    """Delete a cohort with the generations that only it has, and return what was deleted.

    The cohort itself goes last, so that the same call finishes after an interruption.

    Raises:
        CohortBusyError: A run holds the cohort. Nothing was deleted.
        GenerationBusyError: A run makes one of the generations. Others may have been deleted.
        DaydreamingError: See `preview_deletion`. Nothing was deleted.
        OSError: The storage refused.
    """
    # Before the cohort is held: to hold one that does not exist would create it.
    preview_deletion(store, cohorts, loops, cohort_id, batches)
    with cohorts.hold(cohort_id):
        return remove_cohort(store, cohorts, loops, cohort_id, batches)


def remove_cohort(
    store: GensStore,
    cohorts: CohortStore,
    loops: LoopStore | None,
    cohort_id: str,
    batches: BatchStore | None = None,
) -> CohortDeletion:
    """Do what `delete_cohort` does with a cohort that the caller holds.

    Raises:
        GenerationBusyError: See `delete_cohort`.
        DaydreamingError: See `preview_deletion`. Nothing was deleted.
        OSError: The storage refused.
    """
    deletion = preview_deletion(store, cohorts, loops, cohort_id, batches)
    _delete(store, deletion.deleted)
    cohorts.delete_cohort(cohort_id)
    return deletion


def find_orphans(
    store: GensStore,
    cohorts: CohortStore,
    loops: LoopStore | None,
    batches: BatchStore | None = None,
) -> Sequence[GenerationRef]:
    """Return the generations that no cohort and no loop needs, children first. Writes nothing.

    Raises:
        CatalogError: A membership or journal is malformed, a cohort's folder has a name that no
            command takes, or no cohort is planned: the data root may not be mounted whole.
        AnswerAwaitedError: A batch has the answer of an orphan.
        DataLayerError: Metadata of a needed generation is malformed.
    """
    pipeline, planned = cohorts.read_pipeline(), cohorts.list_planned_cohorts()
    stored = list_stored(store, pipeline)
    if stored and not planned:
        problem = "no cohort is planned, so every generation would be an orphan; plan one first"
        raise CatalogError("the data root", (problem,))
    needed = with_ancestors(store, [*_in_cohorts(cohorts, planned), *_in_loops(_journals(loops))])
    needed = _with_canaries(dict(list_canaries(store, pipeline, pipeline)), needed)
    _check_names(cohorts, loops, stored - needed)
    _check_batches(batches, stored - needed)
    return children_first(pipeline, stored - needed)


def prune_orphans(
    store: GensStore,
    cohorts: CohortStore,
    loops: LoopStore | None,
    batches: BatchStore | None = None,
) -> Sequence[GenerationRef]:
    """Delete the generations of `find_orphans`, and return them.

    Raises:
        GenerationBusyError: A run makes one of them. Others may have been deleted.
        DaydreamingError: See `find_orphans`. Nothing was deleted.
        OSError: The storage refused.
    """
    orphans = find_orphans(store, cohorts, loops, batches)
    _delete(store, orphans)
    return orphans


def list_misnamed(cohorts: CohortStore, loops: LoopStore | None) -> list[str]:
    """Return the places of cohorts and loops whose names no command takes."""
    return [*cohorts.list_misnamed(), *(loops.list_misnamed() if loops else ())]


def _with_canaries(
    canaries: Mapping[GenerationRef, GenerationRef], refs: Iterable[GenerationRef]
) -> set[GenerationRef]:
    """Return these generations and the canaries that were made of them."""
    found = set(refs)
    return found | {canary for canary, original in canaries.items() if original in found}


def _check_names(
    cohorts: CohortStore, loops: LoopStore | None, refs: Collection[GenerationRef]
) -> None:
    """Check that nothing would be deleted while it is unknown what a cohort or loop needs.

    Raises:
        CatalogError: One has a name that no command takes, so its members are not read.
    """
    places = list_misnamed(cohorts, loops) if refs else []
    if places:
        problem = f"nobody knows whether {places[0]} needs {min(refs)}; {MISNAMED}"
        raise CatalogError("the data root", (problem,))


def _in_cohorts(cohorts: CohortStore, cohort_ids: Sequence[str]) -> Iterator[GenerationRef]:
    for cohort_id in cohort_ids:
        yield from refs_of(cohorts.read_membership(cohort_id))


def _in_loops(journals: Mapping[str, Journal]) -> Iterator[GenerationRef]:
    for journal in journals.values():
        for text in journal.texts():
            yield GenerationRef(text.stage, text.text_id)


def _journals(loops: LoopStore | None) -> Mapping[str, Journal]:
    if loops is None:
        return {}
    return {loop_id: loops.read_journal(loop_id) for loop_id in loops.list_loops()}


def _check_batches(batches: BatchStore | None, refs: Collection[GenerationRef]) -> None:
    """Check that no batch has the answers of generations, which are paid.

    Raises:
        AnswerAwaitedError: A batch has one.
    """
    waiting = {} if batches is None else waiting_in(batches.read_batches())
    for ref in sorted(waiting.keys() & set(refs)):
        raise AnswerAwaitedError(*ref, str(waiting[ref]))


def _delete(store: GensStore, refs: Sequence[GenerationRef]) -> None:
    """Delete generations, stage by stage; over a network, many at once.

    Raises:
        GenerationBusyError: A run makes one of them. No other stage was begun.
    """
    with ThreadPoolExecutor(threads_for(store, 1)) as pool:
        for _, of_stage in groupby(refs, key=attrgetter("stage")):
            for _ in pool.map(partial(_delete_one, store), of_stage):
                pass


def _delete_one(store: GensStore, ref: GenerationRef) -> None:
    claim = claim_generation(store, *ref)
    if claim is None:
        raise GenerationBusyError(*ref)
    try:
        store.delete_generation(*ref)
    finally:
        claim.release()
