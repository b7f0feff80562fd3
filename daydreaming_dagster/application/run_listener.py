"""Who is told how a run goes on."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import attrs

from daydreaming_dagster.domain.cohort.estimate import PlanEstimate
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.generated import Generated
from daydreaming_dagster.ports.language_model import Wait
from daydreaming_dagster.types import Stage


@attrs.frozen
class RunPlan:
    """What the run of a cohort is about to do.

    Attributes:
        cohort_id: The cohort.
        members: All generations of the cohort by stage, in planned order.
        todo: Those of them that the run has to make.
        estimate: What they are expected to ask and to cost.
        left_stale: How many stale answers the run leaves as they are.
        parsed_again: How many answers were parsed again without a call, since their template is
            read otherwise now.
    """

    cohort_id: str
    members: Mapping[Stage, Sequence[str]]
    todo: Mapping[Stage, Sequence[str]]
    estimate: PlanEstimate
    left_stale: int
    parsed_again: int = 0

    @property
    def changes_nothing(self) -> bool:
        """Whether everything is made and read already."""
        return not self.parsed_again and not any(self.todo.values())


class RunListener(Protocol):
    """Told how a run goes on, in one thread. An error that it raises ends the run."""

    def begin(self, plan: RunPlan) -> None:
        """Called before the first call of a model, and again for each further set of duels."""
        ...

    def note(self, finished: Sequence[Generated], budget: Budget) -> None:
        """Called with the generations that finished since the last time, and what was spent."""
        ...

    def waiting(self, waits: Sequence[Wait]) -> None:
        """Called again and again with the models whose endpoints take no calls at the moment."""
        ...

    def set_aside(self, reason: str) -> None:
        """Called at the end for each model that was set aside, with a sentence that says why."""
        ...

    def remark(self, notice: str) -> None:
        """Called at the end with each sentence that there is to say about batches."""
        ...


class NullRunListener:
    """Does nothing."""

    def begin(self, plan: RunPlan) -> None: ...

    def note(self, finished: Sequence[Generated], budget: Budget) -> None: ...

    def waiting(self, waits: Sequence[Wait]) -> None: ...

    def set_aside(self, reason: str) -> None: ...

    def remark(self, notice: str) -> None: ...
