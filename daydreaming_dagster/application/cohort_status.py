"""How far a cohort is."""

from contextlib import suppress

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.staleness import CohortState, look_at_cohort
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates


def look(
    store: GensStoreWithTemplates, cohorts: CohortStore, cohort_id: str, catalog: Catalog | None
) -> CohortState:
    """Return how far a cohort is and what is stale; without a catalog, nothing is. Writes nothing.

    What has not changed since the cohort's index was written is not read.

    Raises:
        CohortNotPlannedError: The cohort was not planned yet.
        CatalogError: Its membership is malformed.
    """
    members = cohorts.read_membership(cohort_id)
    return look_at_cohort(store, catalog, members, cohorts.read_index(cohort_id))


def look_and_keep(
    store: GensStoreWithTemplates, cohorts: CohortStore, cohort_id: str, catalog: Catalog
) -> CohortState:
    """Return what `look` does, and keep what was seen in the index for the next look.

    Raises:
        DaydreamingError: As `look` says.
    """
    state = look(store, cohorts, cohort_id, catalog)
    with suppress(OSError):  # what only saves reading is no reason to end a run
        cohorts.write_index(cohort_id, state.index)
    return state
