"""Gives a concept another id without a new question to any model."""

from daydreaming_dagster.domain.catalog import ConceptEntry
from daydreaming_dagster.ports.cohort_store import CohortStore


def rename_concept(cohorts: CohortStore, concept_id: str, new_id: str) -> ConceptEntry:
    """Give a concept another id, and return it.

    Its generations and their gen_ids stay, and no answer becomes stale: prompts contain names and
    descriptions, and no ids. The specifications may use either id.

    Raises:
        CatalogError: There is no such concept, or the new id is or was that of another one.
        InvalidIdError: The new id is not a safe name.
        OSError: The catalog could not be written.
    """
    planned = cohorts.read_catalog().check_new_id(concept_id, new_id)
    cohorts.rename_concept(planned, new_id)
    return cohorts.read_catalog().concepts[planned]
