"""The progress of a cohort."""

from collections.abc import Collection
from contextlib import suppress

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.plan_checks import template_problems
from daydreaming_dagster.domain.cohort.staleness import CohortState, look_at_cohort
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates


def look(
    store: GensStoreWithTemplates, cohorts: CohortStore, cohort_id: str, catalog: Catalog | None
) -> CohortState:
    """Return the progress of a cohort and its stale answers. Writes nothing.

    Without a catalog, nothing is stale. Generations that have not changed since the cohort's index
    was written are not read.

    Raises:
        CohortNotPlannedError: The cohort was not planned yet.
        CatalogError: Its membership is malformed.
    """
    members = cohorts.read_membership(cohort_id)
    pipeline = cohorts.read_pipeline() if catalog is None else catalog.pipeline
    return look_at_cohort(store, catalog, members, cohorts.read_index(cohort_id), pipeline)


def unusable_templates(
    store: GensStoreWithTemplates, cohorts: CohortStore, cohort_id: str, catalog: Catalog
) -> list[str]:
    """Return what is wrong with the templates of a cohort's specification.

    Of a template that cannot be read or rendered, nothing tells which answers to it are stale. One
    that is as it was when the cohort was planned is not rendered again, since that loads Jinja2.
    So if an edit of `stages.yaml` made it unusable, only the next plan says so.

    Raises:
        CatalogError: The specification cannot be read.
    """
    if cohort_id not in cohorts.list_cohorts():  # an imported cohort may have no specification
        return []
    spec, manifest = cohorts.read_spec(cohort_id), cohorts.read_manifest(cohort_id)
    rendered: Collection[str] = ()
    if manifest is not None and manifest.is_of(spec, catalog):  # planning has rendered them
        rendered = manifest.unchanged_templates(store)
    return list(template_problems(store, spec, catalog, rendered))


def look_and_keep(
    store: GensStoreWithTemplates, cohorts: CohortStore, cohort_id: str, catalog: Catalog
) -> CohortState:
    """Return the result of `look`, and update the cohort's index with it.

    Raises:
        DaydreamingError: See `look`.
    """
    state = look(store, cohorts, cohort_id, catalog)
    with suppress(OSError):  # the index is only a cache
        cohorts.write_index(cohort_id, state.index)
    return state
