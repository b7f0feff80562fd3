"""What people decided about the texts of a loop."""

from daydreaming_dagster.application.rate_cohort import read_cohort_ratings
from daydreaming_dagster.domain.errors import CohortNotPlannedError
from daydreaming_dagster.domain.loop.decisions import Ruling
from daydreaming_dagster.domain.loop.journal import Journal
from daydreaming_dagster.domain.people.ratings import verdicts_of
from daydreaming_dagster.domain.stages import Pipeline
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.ports.loop_store import LoopStore


def read_rulings(  # noqa: PLR0917  where a ruling may be, and what it is about
    store: GensStore,
    cohorts: CohortStore,
    loops: LoopStore,
    pipeline: Pipeline,
    loop_id: str,
    journal: Journal,
) -> dict[str, Ruling]:
    """Return the rulings by text: those of the rating sheets of all rounds, and the loop's own.

    The loop's own verdicts win. People who disagree on a sheet defer the text.

    Raises:
        CatalogError: A file of verdicts or ratings is wrong. Lists every problem.
    """
    rulings: dict[str, Ruling] = {}
    texts = {text.text_id for text in journal.texts()}
    for each in journal.rounds:
        cohort_id = each.chosen.cohort_id
        try:
            members = cohorts.read_membership(cohort_id)
        except CohortNotPlannedError:
            continue
        ratings = read_cohort_ratings(store, cohorts, (cohort_id,), pipeline, members)
        for ref, verdict in verdicts_of(ratings).items():
            reasons = (
                rating.reason
                for rating in ratings
                if rating.first == ref and rating.decision is not None and not rating.stale
            )
            if ref.gen_id in texts:
                reason = "; ".join(dict.fromkeys(filter(None, reasons)))
                rulings[ref.gen_id] = Ruling(verdict, reason)
    return {**rulings, **loops.read_verdicts(loop_id)}
