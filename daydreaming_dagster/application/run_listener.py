"""Who is told how a run goes on."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from daydreaming_dagster.domain.cohort.estimate import PlanEstimate
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.generated import Generated
from daydreaming_dagster.types import Stage


class RunListener(Protocol):
    """Told how a run goes on, in the thread of the run."""

    def begin(
        self, todo: Mapping[Stage, Sequence[str]], estimate: PlanEstimate, stale: int
    ) -> None:
        """Hear what the run of a cohort has to make, before the first call.

        `stale` counts the answers that are stale, and that it leaves as they are.
        """

    def note(self, generated: Generated, budget: Budget) -> None:
        """Hear of a generation as soon as it is done, and what was spent so far."""


class NullRunListener:
    """Listens to nothing: Dagster's own events say it all."""

    def begin(
        self, todo: Mapping[Stage, Sequence[str]], estimate: PlanEstimate, stale: int
    ) -> None: ...

    def note(self, generated: Generated, budget: Budget) -> None: ...
