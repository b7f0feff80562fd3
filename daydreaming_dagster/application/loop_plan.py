"""Plans the cohort of a loop's round."""

from collections.abc import Collection

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.planning import CohortPlan, make_plan
from daydreaming_dagster.domain.cohort.spec import CohortSpec
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.loop.pairs import Pair
from daydreaming_dagster.domain.loop.spec import LoopSpec
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates


def cohort_of_round(loop_id: str, number: int) -> str:
    """Return the id of the cohort that a round of a loop makes."""
    return f"{loop_id}-{number:04}"


def plan_round(  # noqa: PLR0917  the ports, and what the plan depends on
    store: GensStoreWithTemplates,
    cohorts: CohortStore,
    loop_id: str,
    spec: LoopSpec,
    catalog: Catalog,
    cohort_id: str,
    pairs: Collection[Pair],
    *,
    allow_missing: bool,
) -> tuple[CohortSpec, CohortPlan]:
    """Return the specification and the plan of the cohort that a round makes of its pairs.

    Once the cohort has a specification, an edit of the loop's changes later rounds only.

    Raises:
        CatalogError: The specification is inconsistent, or names something that the catalog lacks.
            Lists all problems, and says whose specification it is.
    """
    if cohort_id in cohorts.list_cohorts():
        written = cohorts.read_spec(cohort_id)
        return written, make_plan(store, cohort_id, written, catalog, allow_missing=allow_missing)
    of_pairs = spec.cohort_of(pairs)
    try:
        plan = make_plan(store, cohort_id, of_pairs, catalog, allow_missing=allow_missing)
    except CatalogError as error:
        raise CatalogError(f"`cohort` of loop {loop_id}", error.problems) from error
    return of_pairs, plan
