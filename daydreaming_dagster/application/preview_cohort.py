"""What a run of a cohort would do, before its first call."""

from collections.abc import Mapping

import attrs

from daydreaming_dagster.application.batch_lane import Batches
from daydreaming_dagster.application.cohort_status import look
from daydreaming_dagster.application.plan_cohort import estimate_cohort
from daydreaming_dagster.domain.cohort.estimate import PlanEstimate
from daydreaming_dagster.domain.cohort.planning import CohortPlan
from daydreaming_dagster.domain.errors import CohortNotPlannedError
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates
from daydreaming_dagster.types import Stage


@attrs.frozen
class CohortPreview:
    """What a run of a cohort would do.

    Attributes:
        plan: The generations of the cohort.
        estimate: The calls that the run makes.
        stale: The reason for each stale answer, by stage and gen_id.
    """

    plan: CohortPlan
    estimate: PlanEstimate
    stale: Mapping[Stage, Mapping[str, str]]


def preview_cohort(
    store: GensStoreWithTemplates,
    cohorts: CohortStore,
    cohort_id: str,
    *,
    batches: Batches | None = None,
    stale: bool = False,
    allow_missing: bool = False,
) -> CohortPreview:
    """Return what a run of a cohort as specified today would do. Calls no model, writes nothing.

    `stale` says whether the run replaces stale answers. A cohort without a plan has none. Models
    that are always asked by batch cost what they do by batch, if there are `batches`.

    Raises:
        CatalogError: Specification or catalogs are wrong.
    """
    catalog = cohorts.read_catalog()
    by_batch = set() if batches is None else batches.models(catalog, wanted=False)
    reasons: Mapping[Stage, Mapping[str, str]]
    try:
        reasons = look(store, cohorts, cohort_id, catalog).stale
    except CohortNotPlannedError:
        reasons = {}
    again = {gen_id for of_stage in reasons.values() for gen_id in of_stage} if stale else set()
    plan, estimate = estimate_cohort(
        store,
        cohorts,
        cohort_id,
        allow_missing=allow_missing,
        again=again,
        catalog=catalog,
        by_batch=by_batch,
    )
    return CohortPreview(plan, estimate, reasons)
