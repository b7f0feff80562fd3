"""The progress of a loop, over all of its rounds."""

import attrs

from daydreaming_dagster.application.cohort_status import look
from daydreaming_dagster.application.loop_check import check_loop
from daydreaming_dagster.application.loop_rulings import read_rulings
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.spending import known_spending, known_sum
from daydreaming_dagster.domain.cohort.staleness import CohortState
from daydreaming_dagster.domain.errors import CatalogError, CohortNotPlannedError
from daydreaming_dagster.domain.loop.journal import Journal, Round, Step, next_step
from daydreaming_dagster.domain.loop.spec import LoopSpec
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates
from daydreaming_dagster.ports.loop_store import LoopStore


@attrs.frozen
class RoundStatus:
    """A round, and how far its cohort is.

    Attributes:
        round: What is recorded of it.
        cohort: The state of its cohort; None if it is not planned yet.
        spent: What its stored answers cost, in USD; None if it is not known.
    """

    round: Round
    cohort: CohortState | None
    spent: float | None

    @property
    def stale(self) -> int:
        """The number of its stale answers."""
        return 0 if self.cohort is None else sum(map(len, self.cohort.stale.values()))


@attrs.frozen
class LoopStatus:
    """How far a loop is.

    Attributes:
        loop_id: The loop.
        journal: What is recorded of it.
        rounds: Its rounds in order.
        step: What it does next.
        problems: Why it cannot go on: the mistakes in its specification or verdicts.
        unfollowed: The texts of which people decided otherwise than the loop so far.
    """

    loop_id: str
    journal: Journal
    rounds: tuple[RoundStatus, ...]
    step: Step
    problems: tuple[str, ...] = ()
    unfollowed: tuple[str, ...] = ()

    @property
    def spent(self) -> float | None:
        """What all stored answers cost, in USD; None if it is not known."""
        return known_sum(each.spent for each in self.rounds)

    @property
    def stale_from(self) -> int | None:
        """The number of the first round with a stale answer; None if there is none."""
        return next((each.round.number for each in self.rounds if each.stale), None)


def look_at_loop(
    store: GensStoreWithTemplates, cohorts: CohortStore, loops: LoopStore, loop_id: str
) -> LoopStatus:
    """Return the progress of a loop. Writes nothing.

    Raises:
        CatalogError: The specification is missing, or the catalogs or the journal are malformed.
    """
    spec, journal = loops.read_spec(loop_id), loops.read_journal(loop_id)
    catalog = cohorts.read_catalog()
    rounds = tuple(_look_at_round(store, cohorts, catalog, each) for each in journal.rounds)
    problems: tuple[str, ...] = ()
    unfollowed: tuple[str, ...] = ()
    try:
        check_loop(loop_id, spec.with_planned_ids(catalog.planned_ids()), catalog, loops, journal)
        rulings = read_rulings(store, cohorts, loops, catalog.pipeline, loop_id, journal)
    except CatalogError as error:
        problems = error.problems
    else:
        last = journal.decisions()
        unfollowed = tuple(
            text_id
            for text_id, said in rulings.items()
            if text_id not in last or last[text_id].verdict != said.verdict
        )
    step = step_of(spec, journal, catalog)
    return LoopStatus(loop_id, journal, rounds, step, problems, unfollowed)


def step_of(spec: LoopSpec, journal: Journal, catalog: Catalog) -> Step:
    """Return what a loop does next, by what the researcher wrote."""
    seeds = spec.with_planned_ids(catalog.planned_ids()).seeds(catalog)
    return next_step(spec.stop, journal, seeds)


def _look_at_round(
    store: GensStoreWithTemplates, cohorts: CohortStore, catalog: Catalog, begun: Round
) -> RoundStatus:
    cohort_id = begun.chosen.cohort_id
    try:
        members = cohorts.read_membership(cohort_id)
    except CohortNotPlannedError:
        return RoundStatus(begun, None, 0.0)
    embedded = 0.0 if begun.written is None else begun.written.embedding_cost
    spent = known_sum([known_spending(store, catalog, members), embedded])
    return RoundStatus(begun, look(store, cohorts, cohort_id, catalog), spent)
