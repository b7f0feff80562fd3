"""What a terminal shows of a run while it goes on."""

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

import attrs
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from daydreaming_dagster.application.run_listener import RunPlan
from daydreaming_dagster.cli.console import complain, note, visible
from daydreaming_dagster.domain.cohort.estimate import PlanEstimate
from daydreaming_dagster.domain.generation.budget import Budget, spent
from daydreaming_dagster.domain.generation.generated import Generated
from daydreaming_dagster.formatting import counted, money
from daydreaming_dagster.ports.language_model import Wait


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        # The rate of the whole run, because finished generations arrive in batches.
        made, seconds = task.completed - task.fields["before"], task.finished_time or task.elapsed
        return Text(f"{made / seconds:.1f}/s" if made and seconds else "")


class _Bars(Progress):
    """Bars that take the width that is left, and below them what was spent and is waited for."""

    spent: str = ""
    waits: Sequence[str] = ()

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        yield Text(self.spent, no_wrap=True, overflow="ellipsis")
        for wait in self.waits:
            yield Text(visible(wait), style="yellow", no_wrap=True, overflow="ellipsis")


@attrs.define
class RunMonitor:
    """A bar for each stage with its failures, one for all, and a line with what was spent.

    If the console is not a terminal, it gets the estimate and the final state only. `failed` holds
    the generations that failed, and `reasons` says why models were set aside. `notices` are about
    batches. `stale` counts the stale answers that the run leaves. `budgets` are those of the runs
    that it has seen, one after the other.
    """

    console: Console
    failed: list[Generated] = attrs.field(factory=list, init=False)
    reasons: list[str] = attrs.field(factory=list, init=False)
    notices: list[str] = attrs.field(factory=list, init=False)
    stale: int = attrs.field(default=0, init=False)
    budgets: list[Budget] = attrs.field(factory=list, init=False)
    _progress: _Bars = attrs.field(init=False, repr=False)
    _waited: set[str] = attrs.field(factory=set, init=False)
    _tasks: dict[str, TaskID] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._progress = _Bars(
            TextColumn("{task.description:>10}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            _RateColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            expand=True,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def begin(self, plan: RunPlan) -> None:
        """Print the expected calls and cost, and show the bars."""
        self.stale = plan.left_stale
        self.failed.clear()  # a further run tries again what failed in the one before
        self.reasons.clear()
        if plan.parsed_again:
            again = f"{counted(plan.parsed_again, 'answer')} parsed again, without a call"
            self.console.print(again, highlight=False, soft_wrap=True)
        self.console.print(expected_calls(plan.estimate), highlight=False, soft_wrap=True)
        for stage, gen_ids in plan.members.items():
            if gen_ids:
                self._add(stage, len(gen_ids), len(plan.todo[stage]))
        planned, todo = plan.members.values(), plan.todo.values()
        self._add("all", sum(map(len, planned)), sum(map(len, todo)))

    def note(self, finished: Sequence[Generated], budget: Budget) -> None:
        """Advance the bars by the finished generations, and count the failed ones."""
        for generated in finished:
            self._note(generated)
        if not any(known is budget for known in self.budgets):
            self.budgets.append(budget)
        self._progress.spent = _spent(self.budgets)

    def waiting(self, waits: Sequence[Wait]) -> None:
        """Show which models are waited for; without bars, print each once."""
        if not self.console.is_terminal:
            for wait in waits:
                if wait.model not in self._waited:
                    note(str(wait), self.console)
        self._waited = {wait.model for wait in waits}
        self._progress.waits = [str(wait) for wait in waits]

    def set_aside(self, reason: str) -> None:
        """Keep the reason for the end, when the failures are listed."""
        self.reasons.append(reason)

    def remark(self, notice: str) -> None:
        """Keep the notice for the end."""
        self.notices.append(notice)

    def not_recorded(self, reason: Exception) -> None:
        """Print at once, above the bars, why Dagster does not record the run, which goes on."""
        complain(f"error: {reason}", self.console)

    def _note(self, generated: Generated) -> None:
        task = self._tasks[generated.stage]
        if generated.error is None:
            self._progress.advance(task)
            self._progress.advance(self._tasks["all"])
        else:
            self.failed.append(generated)
            failed = sum(item.stage == generated.stage for item in self.failed)
            self._progress.update(task, note=f"[red]{failed} failed[/red]")

    def _add(self, name: str, planned: int, todo: int) -> None:
        if name in self._tasks:  # of the run before
            self._progress.update(self._tasks[name], total=planned, completed=planned - todo)
            return
        self._tasks[name] = self._progress.add_task(
            name, total=planned, completed=planned - todo, before=planned - todo, note=""
        )


def _spent(budgets: Sequence[Budget]) -> str:
    calls = sum(budget.calls for budget in budgets)
    tokens = sum(budget.prompt_tokens + budget.completion_tokens for budget in budgets)
    cost = f", {spent(*budgets)}" if any(budget.cost for budget in budgets) else ""
    return f"{counted(calls, 'call')}, {counted(tokens, 'token')}{cost}"


def expected_calls(estimate: PlanEstimate) -> str:
    """Return how many calls are to make, and what they cost."""
    stages = estimate.stages.values()
    calls = sum(stage.calls for stage in stages)
    if not calls:
        return "no model call to make"
    tokens = sum(stage.prompt_tokens + stage.completion_tokens for stage in stages)
    costs = [stage.cost for stage in stages if stage.cost is not None]
    cost = f", about {money(sum(costs))} USD" if costs else ""
    unpriced = f" (no price: {', '.join(estimate.unpriced)})" if estimate.unpriced else ""
    asked = f"{counted(calls, 'model call')} to make, about {counted(tokens, 'token')}"
    return f"{asked}{cost}{unpriced}"
