"""Runs the cohorts of a loop within its limits."""

from collections.abc import Callable, Mapping, Sequence

import attrs

from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.application.run_cohort import CohortRunner, RunOptions
from daydreaming_dagster.application.run_listener import RunListener
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.planner import PlannedGeneration
from daydreaming_dagster.domain.cohort.spending import known_spending, known_sum
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.domain.loop.journal import Journal, Round
from daydreaming_dagster.formatting import money
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates
from daydreaming_dagster.types import Stage


class RoundInterruptedError(Exception):
    """A run ended early. What it stored is kept, and the same step goes on from there."""


class LoopLimitError(RoundInterruptedError):
    """The loop's own limit of cost ended a run early, and would end the next one at once."""


@attrs.frozen
class RoundRuns:
    """Runs the cohorts of a round that is not decided yet.

    Attributes:
        store: The generations.
        cohorts: The catalogs, and the cohorts that the rounds make.
        run_cohort: Runs a cohort with the models that write and judge.
        catalog: The catalog with the concepts that the loop accepted.
        journal: What the loop did so far.
        token: Ends a run early.
        listener: Is told of the runs.
        limit: What all rounds of the loop may cost, in USD; None means no limit.
        max_cost: Returns what the next run may cost beside that; None means no limit.
        allow_missing: That of `make_plan`.
        embedded: What the embeddings of the round cost, in USD; None if that is not known.
    """

    store: GensStoreWithTemplates
    cohorts: CohortStore
    run_cohort: CohortRunner
    catalog: Catalog
    journal: Journal
    token: CancellationToken
    listener: RunListener
    limit: float | None
    max_cost: Callable[[], float | None]
    allow_missing: bool
    embedded: float | None = 0.0

    @property
    def limits_cost(self) -> bool:
        """Whether anything limits the cost."""
        return self.limit is not None or self.max_cost() is not None

    def left_to_spend(self, of_round: Sequence[float | None]) -> float | None:
        """Return what else this round may cost, in USD; None means no limit.

        `of_round` is what the round has cost so far.

        Raises:
            LoopLimitError: The loop has a limit, and what it spent is not known.
        """
        limit, own = self.limit, self.max_cost()
        if limit is None:
            return own
        left = limit - self._spent(of_round)
        return left if own is None else min(left, own)

    def interrupted(
        self, reason: str, budget: Budget, of_round: Sequence[float | None]
    ) -> RoundInterruptedError:
        """Return why a run with this budget ended early.

        `reason` is what the run said. `of_round` is what the round had cost before it.
        """
        if self.limit is None or budget.max_cost is None or not budget.exhausted:
            return RoundInterruptedError(reason)
        before = self._spent(of_round)
        if budget.max_cost < self.limit - before:  # the command's own limit
            return RoundInterruptedError(reason)
        return LoopLimitError(
            f"{money(before + budget.cost)} of {money(self.limit)} USD are spent, and the next "
            f"answer may cost more than is left; raise stop.max_cost to finish round "
            f"{len(self.journal.rounds)}"
        )

    def _spent(self, of_round: Sequence[float | None]) -> float:
        """Return what the loop has cost, in USD, with this round."""
        spent = known_sum([*(end.measures.cost for end in self.journal.decided), *of_round])
        if spent is None:
            raise LoopLimitError(
                "what answers cost is unknown, so the loop's limit cannot be kept; "
                "remove stop.max_cost, or use models that report tokens"
            )
        return spent

    def spent_on(self, begun: Round) -> float | None:
        """Return what the answers of a round that is planned cost, in USD; None if not known."""
        members = self.cohorts.read_membership(begun.chosen.cohort_id)
        return known_spending(self.store, self.catalog, members)

    def run(
        self,
        cohort_id: str,
        members: Mapping[Stage, Sequence[str]],
        keep: Callable[[PlannedGeneration], bool],
    ) -> None:
        """Make those generations of a cohort that `keep` accepts.

        `members` are those whose answers count for the round that is not decided yet.

        Raises:
            RoundInterruptedError: The run ended early; a `LoopLimitError` by the loop's limit.
        """
        plan_cohort(
            self.store, self.cohorts, cohort_id, allow_missing=self.allow_missing, keep=keep
        )
        of_round = [self.embedded, known_spending(self.store, self.catalog, members)]
        run = self.run_cohort(
            self.store,
            self.cohorts,
            cohort_id=cohort_id,
            options=RunOptions(max_cost=self.left_to_spend(of_round)),
            token=self.token,
            listener=self.listener,
            catalog=self.catalog,
        )
        if run.stopped is not None:
            raise self.interrupted(run.stopped, run.budget, of_round)
