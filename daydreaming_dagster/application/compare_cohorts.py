"""Two cohorts beside each other: in what they differ, and what came of it."""

from collections.abc import Iterator, Sequence

import attrs

from daydreaming_dagster.application.several_cohorts import find_differences, gather_cohorts
from daydreaming_dagster.domain.cohort.differences import Difference
from daydreaming_dagster.domain.results.comparison import ScoreDifference, compare_scores
from daydreaming_dagster.domain.results.evaluations import Evaluation, without_stale
from daydreaming_dagster.domain.results.judges import judge_of, judges_named, leave_out
from daydreaming_dagster.domain.results.ranking import judgment_of, mean_share
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates


@attrs.frozen
class CohortSummary:
    """A cohort's scores, and their mean, see `mean_share`."""

    cohort_id: str
    texts: int
    scores: int
    missing: int
    mean: float | None


@attrs.frozen
class CohortComparison:
    """What two cohorts have, and do not have, in common.

    Attributes:
        differences: What their specifications and inputs say differently.
        summaries: The scores of each.
        shared_texts: How many judged texts belong to both.
        shared_scores: How many scores belong to both; they tell nothing apart.
        difference: How much better the first one's scores are than the second one's.
        without: The judges that are left out.
    """

    differences: Sequence[Difference]
    summaries: tuple[CohortSummary, CohortSummary]
    shared_texts: int
    shared_scores: int
    difference: ScoreDifference
    without: Sequence[str] = ()


def compare_cohorts(
    store: GensStoreWithTemplates,
    cohorts: CohortStore,
    first: str,
    second: str,
    *,
    fresh: bool = False,
    without: Sequence[str] = (),
) -> CohortComparison:
    """Return the comparison of two cohorts. Writes nothing.

    `fresh` and `without` are those of `tabulate_cohort`.

    Raises:
        CohortNotPlannedError: A cohort was not planned yet.
        CatalogError: The catalogs or a membership are wrong, or `without` names no judge.
        DataLayerError: Metadata of a generation is missing or malformed.
    """
    catalog = cohorts.read_catalog()
    of_each: list[list[Evaluation]] = []
    for cohort_id in (first, second):
        rows = gather_cohorts(store, cohorts, [cohort_id], catalog).evaluations
        of_each.append(list(without_stale(rows) if fresh else rows))
    left_out = judges_named([judge_of(row) for rows in of_each for row in rows], without)
    one, other = (leave_out(rows, left_out) for rows in of_each)
    shared = {row.evaluation.gen_id for row in one} & {row.evaluation.gen_id for row in other}
    return CohortComparison(
        list(find_differences(cohorts, [first, second], catalog.pipeline)),
        (_summary(first, one), _summary(second, other)),
        len({row.judged for row in one} & {row.judged for row in other}),
        sum(row.evaluation.gen_id in shared and row.outcome.score is not None for row in one),
        compare_scores(*(list(_own(rows, shared)) for rows in (one, other))),
        sorted(left_out),
    )


def _own(rows: Sequence[Evaluation], shared: set[str]) -> Iterator[Evaluation]:
    """Yield the evaluations with a score that only one of the cohorts has."""
    for row in rows:
        if row.outcome.score is not None and row.evaluation.gen_id not in shared:
            yield row


def _summary(cohort_id: str, rows: Sequence[Evaluation]) -> CohortSummary:
    judgments = [judgment_of(row) for row in rows]
    scores = sum(one.score is not None for one in judgments)
    return CohortSummary(
        cohort_id,
        len({row.judged for row in rows}),
        scores,
        len(rows) - scores,
        mean_share(judgments),
    )
