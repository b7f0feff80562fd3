"""What the stop rules of a cohort's scores say of its scores so far."""

from collections.abc import Iterable, Iterator, Sequence

from daydreaming_dagster.application.extend_cohort import read_choices
from daydreaming_dagster.application.planned_spec import planned_spec
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.results.evaluations import Evaluation
from daydreaming_dagster.ports.cohort_store import CohortStore


def say_stop_rules(
    cohorts: CohortStore,
    cohort_ids: Sequence[str],
    catalog: Catalog,
    evaluations: Iterable[Evaluation],
    until: str | None = None,
) -> Iterator[str]:
    """Yield whether each stop rule of a cohort's plan holds for its scores, and what that means.

    `until` takes the place of those in the specification. There are none if the specification was
    edited since it was planned, and none of several cohorts together.

    Raises:
        CatalogError: The specification cannot be read, or `until` is not a stop rule.
    """
    spec = planned_spec(cohorts, cohort_ids, catalog)
    if spec is None:
        return
    pipeline = catalog.pipeline
    choices = read_choices(cohorts, cohort_ids[0], pipeline, until, limited=True)
    if not choices.scores:
        return
    from daydreaming_dagster.domain.results.next_scores import given_scores  # numpy is slow

    evaluations = list(evaluations)
    for stage, choice in choices.scores.items():
        try:
            yield given_scores(evaluations, spec, pipeline[stage]).sentence(choice.until)
        except CatalogError as error:
            yield f"{choice.until}: cannot be told. {'; '.join(error.problems)}."
