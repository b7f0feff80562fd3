"""What of a cohort waits in batches, according to their records."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from daydreaming_dagster.domain.cohort.staleness import CohortState
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.ports.batch_store import BatchStore

if TYPE_CHECKING:  # most data roots have no batches
    from daydreaming_dagster.domain.batch.record import BatchRecord


def waiting_of_cohort(
    store: BatchStore | None, looked: CohortState
) -> Mapping[GenerationRef, "BatchRecord"]:
    """Return the generations of a cohort that wait for an answer, each with its batch.

    One whose answer was stored when a kill came does not wait, whatever the record says.

    Raises:
        CatalogError: The record of a batch is malformed.
        MalformedArtifactError: The record of a batch is not JSON.
    """
    documents = {} if store is None else store.read_batches()
    if not documents:
        return {}
    from daydreaming_dagster.domain.batch.record import waiting_in

    unfinished: dict[str, Collection[str]] = {
        stage: {*status.todo, *looked.stale[stage]} for stage, status in looked.stages.items()
    }
    return {
        ref: record
        for ref, record in waiting_in(documents).items()
        if ref.gen_id in unfinished.get(ref.stage, ())
    }
