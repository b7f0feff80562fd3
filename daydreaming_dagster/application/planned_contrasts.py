"""Which comparisons were planned, for all that say what was found."""

from collections.abc import Sequence

from daydreaming_dagster.domain.cohort.manifest import digest_of_spec
from daydreaming_dagster.ports.cohort_store import CohortStore


def planned_contrasts(cohorts: CohortStore, cohort_ids: Sequence[str]) -> Sequence[str]:
    """Return the contrasts of a cohort's plan.

    There are none if its specification was edited since, and none of several cohorts together.
    """
    (cohort_id, *more) = cohort_ids
    if more or cohort_id not in cohorts.list_cohorts():
        return ()
    spec, manifest = cohorts.read_spec(cohort_id), cohorts.read_manifest(cohort_id)
    is_planned = manifest is not None and manifest.spec == digest_of_spec(spec)
    return tuple(spec.contrasts) if is_planned else ()
