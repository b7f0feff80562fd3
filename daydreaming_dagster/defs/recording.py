"""Records a run in Dagster while it goes on."""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Final

import attrs
import dagster as dg

from daydreaming_dagster.application.run_listener import NullRunListener, RunListener, RunPlan
from daydreaming_dagster.defs.event_log import (
    database_errors,
    planned_materialization,
    record_events,
)
from daydreaming_dagster.defs.killed_runs import close_killed_runs
from daydreaming_dagster.defs.materializations import GenerationEvents, failed_step
from daydreaming_dagster.defs.naming import asset_key, key_prefix_of
from daydreaming_dagster.defs.partitions import planned_cohort, register_partitions
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.generation.budget import Budget, spent
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.domain.generation.generated import (
    STEPS,
    Generated,
    Step,
    read_generated,
)
from daydreaming_dagster.formatting import counted
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.ports.language_model import Wait

_LOG_LINES: Final = 20
_RECORDED_TOGETHER: Final = 500
"""Generations, with their texts in memory."""


@attrs.define
class RecordingListener:
    """Records an event for each step of each generation, and logs the progress of the run.

    Passes everything on to `then`. `catalog` says what answers cost. `total` is the number of
    generations that the run makes, as far as they are known. If Dagster's database fails while the
    run goes on, the listener ends the run through `stop` and records nothing more, but still passes
    on what was in flight. `check` raises the error afterwards. The next run records what is
    missing.
    """

    context: dg.AssetExecutionContext
    store: GensStore
    stop: CancellationToken
    catalog: Catalog
    then: RunListener = attrs.field(factory=NullRunListener)
    steps: Collection[Step] = STEPS
    total: int = 0
    _events: GenerationEvents = attrs.field(init=False)
    _seen: int = attrs.field(default=0, init=False)
    _failed: int = attrs.field(default=0, init=False)
    _error: Exception | None = attrs.field(default=None, init=False)
    _waited: set[str] = attrs.field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        models = {model.key: model for model in self.catalog.models.values()}
        self._events = GenerationEvents(self.key_prefix, self.store, models)

    @property
    def key_prefix(self) -> str:
        """The prefix of the assets of this data root."""
        return key_prefix_of(self.context)

    def begin(self, plan: RunPlan) -> None:
        """Close killed runs, and record what is done but unknown to Dagster, as after a kill."""
        close_killed_runs(self.context)
        self.total = self._seen + sum(map(len, plan.todo.values()))
        self._events = attrs.evolve(self._events, cohort_id=plan.cohort_id)
        instance = self.context.instance
        register_partitions(instance, plan.members, self.key_prefix)
        self.then.begin(plan)
        planned = asset_key(self.key_prefix, "cohort_membership")
        if plan.cohort_id not in instance.get_materialized_partitions(planned):
            event = planned_cohort(self.key_prefix, plan.cohort_id, plan.members)
            self.context.log_event(event)
        for stage, gen_ids in plan.members.items():
            parsed = asset_key(self.key_prefix, f"{stage}_parsed")
            known = instance.get_materialized_partitions(parsed)
            known |= set(plan.todo[stage])
            unknown = [gen_id for gen_id in gen_ids if gen_id not in known]
            for start in range(0, len(unknown), _RECORDED_TOGETHER):
                some = unknown[start : start + _RECORDED_TOGETHER]
                self._record(read_generated(self.store, stage, key) for key in some)

    def note(self, finished: Sequence[Generated], budget: Budget) -> None:
        """Tell the next listener, and record what was made and what failed."""
        self._failed += sum(generated.error is not None for generated in finished)
        self.then.note(finished, budget)
        before, self._seen = self._seen, self._seen + len(finished)

        def record() -> None:
            self._record(finished)
            if self._seen * _LOG_LINES // self.total > before * _LOG_LINES // self.total:
                self.context.log.info(self._progress(budget))

        self._attempt(record)

    def check(self) -> None:
        """Return if every event was recorded.

        Raises:
            Exception: The error of Dagster's database, one of `database_errors()`.
        """
        if self._error is not None:
            raise self._error

    def waiting(self, waits: Sequence[Wait]) -> None:
        """Log each model that is waited for, once, and tell the next listener."""
        self.then.waiting(waits)
        for wait in waits:
            if wait.model not in self._waited:
                self._attempt(partial(self.context.log.info, str(wait)))
        self._waited = {wait.model for wait in waits}

    def set_aside(self, reason: str) -> None:
        """Log it, and tell the next listener."""
        self.then.set_aside(reason)
        self._attempt(partial(self.context.log.warning, reason))

    def remark(self, notice: str) -> None:
        """Log it, and tell the next listener."""
        self.then.remark(notice)
        self._attempt(partial(self.context.log.info, notice))

    def _attempt(self, record: Callable[[], None]) -> None:
        """Call this unless the database failed before; if it fails now, end the run."""
        if self._error is not None:
            return
        try:
            record()
        except database_errors() as error:
            self._error = error
            self.stop.stop(f"Dagster's database failed: {error}")

    def _record(self, generations: Iterable[Generated]) -> None:
        generations = list(generations)
        for step in STEPS:
            last_event = self.context.instance.event_log_storage.get_maximum_record_id()
            made = (self._events.materialization(item, step, last_event) for item in generations)
            record_events(self.context, [event for event in made if event is not None])
        failures = [
            self._events.failure_observation(generated, self.steps)
            for generated in generations
            if generated.error is not None
        ]
        record_events(self.context, failures)

    def _progress(self, budget: Budget) -> str:
        return (
            f"{self._seen} of {counted(self.total, 'generation')}, {self._failed} failed; "
            f"{counted(budget.calls, 'model call')}, {budget.prompt_tokens} tokens sent, "
            f"{budget.completion_tokens} received, {spent(budget)}"
        )


def mark_failed(context: dg.AssetExecutionContext, generations: Iterable[Generated]) -> None:
    """Let the UI show these generations as failed in this run, at the step that failed."""
    key_prefix = key_prefix_of(context)
    record_events(
        context,
        [
            planned_materialization(
                asset_key(key_prefix, f"{generated.stage}_{failed_step(generated)}"),
                generated.gen_id,
            )
            for generated in generations
        ],
    )
