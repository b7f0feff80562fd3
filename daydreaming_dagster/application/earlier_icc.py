"""How far two scores of a text agreed in the cohorts of a data root."""

from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from daydreaming_dagster.domain.errors import CatalogError, CohortNotPlannedError
from daydreaming_dagster.domain.results.evaluations import read_evaluations
from daydreaming_dagster.domain.results.ranking import judgment_of
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.errors import ArtifactError
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates

if TYPE_CHECKING:  # scipy is slow to import
    from daydreaming_dagster.domain.statistics.power import AssumedIcc

_MOST_SCORES: Final = 2_000
"""Of a cohort; more would be read for a digit that nobody needs."""
_MOST_COHORTS: Final = 10


def earlier_icc(
    store: GensStoreWithTemplates, cohorts: CohortStore, cohort_id: str
) -> "AssumedIcc":
    """Return how two scores of a text correlate in other cohorts; the default if none shows it.

    A cohort that cannot be read shows nothing.
    """
    from daydreaming_dagster.domain.results.knowing_more import icc_of, pooled_icc

    pipeline = cohorts.read_pipeline()
    found: list[tuple[float, int] | None] = []
    for other in cohorts.list_planned_cohorts():
        if other == cohort_id or len(found) == _MOST_COHORTS:
            continue
        try:
            members = dict(cohorts.read_membership(other))
            of_texts = chain.from_iterable(members.get(stage, ()) for stage in pipeline.scoring)
            kept = set(islice(of_texts, _MOST_SCORES))
            for stage in pipeline.scoring:
                members[stage] = [gen_id for gen_id in members.get(stage, ()) if gen_id in kept]
            judgments = map(judgment_of, read_evaluations(store, pipeline, members))
            found += [one for one in [icc_of(judgments)] if one is not None]
        except (ArtifactError, CatalogError, CohortNotPlannedError):
            continue
    return pooled_icc(found)
