"""What a cohort was planned by, for all that say what was found."""

from collections.abc import Sequence

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.spec import CohortSpec
from daydreaming_dagster.ports.cohort_store import CohortStore


def planned_spec(
    cohorts: CohortStore, cohort_ids: Sequence[str], catalog: Catalog
) -> CohortSpec | None:
    """Return the specification of a cohort's plan.

    There is none if it was edited since, and none of several cohorts together.

    Raises:
        CatalogError: The specification cannot be read.
    """
    (cohort_id, *more) = cohort_ids
    if more or cohort_id not in cohorts.list_cohorts():
        return None
    spec, manifest = cohorts.read_spec(cohort_id), cohorts.read_manifest(cohort_id)
    return spec if manifest is not None and manifest.is_of(spec, catalog) else None
