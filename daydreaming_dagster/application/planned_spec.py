"""What a cohort was planned by, for all that say what was found."""

from collections.abc import Sequence

from daydreaming_dagster.domain.cohort.manifest import digest_of_spec
from daydreaming_dagster.domain.cohort.spec import CohortSpec
from daydreaming_dagster.ports.cohort_store import CohortStore


def planned_spec(cohorts: CohortStore, cohort_ids: Sequence[str]) -> CohortSpec | None:
    """Return the specification of a cohort's plan.

    There is none if it was edited since, and none of several cohorts together.
    """
    (cohort_id, *more) = cohort_ids
    if more or cohort_id not in cohorts.list_cohorts():
        return None
    spec, manifest = cohorts.read_spec(cohort_id), cohorts.read_manifest(cohort_id)
    is_planned = manifest is not None and manifest.spec == digest_of_spec(spec)
    return spec if is_planned else None
