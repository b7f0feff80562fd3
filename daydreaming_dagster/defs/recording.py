"""Making generations inside a run of Dagster, which records each as soon as it is done."""

from collections.abc import AsyncGenerator, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing

import dagster as dg

from daydreaming_dagster.application.async_bridge import iterate_in_thread
from daydreaming_dagster.application.run_listener import RunListener
from daydreaming_dagster.defs.event_log import (
    AssetEvent,
    planned_materialization,
    record_events,
)
from daydreaming_dagster.defs.materializations import (
    failed_step,
    failure_observation,
    materializations,
)
from daydreaming_dagster.domain.generation.generated import STEPS, Generated, Outcome, Step
from daydreaming_dagster.domain.generation.runner import GenerationRunner
from daydreaming_dagster.formatting import counted, money
from daydreaming_dagster.types import Stage

_LOG_LINES = 20


def make_and_record(
    context: dg.AssetExecutionContext,
    runner: GenerationRunner,
    generations: Mapping[Stage, Sequence[str]],
    listener: RunListener,
    steps: Collection[Step] = STEPS,
) -> Outcome:
    """Make these generations; record what each step made, and how it goes on in the log."""
    total = sum(map(len, generations.values()))

    async def run() -> AsyncGenerator[Generated, None]:
        try:
            async with aclosing(runner.generate_many(generations, steps)) as generated:
                async for item in generated:
                    yield item
        finally:
            await runner.model.aclose()

    seen = 0
    failed = []
    for arrived in iterate_in_thread(run):
        record(context, runner, arrived, steps)
        failed += [generated for generated in arrived if generated.error is not None]
        for generated in arrived:
            listener.note(generated, runner.budget)
        before, seen = seen, seen + len(arrived)
        if seen * _LOG_LINES // total > before * _LOG_LINES // total:
            context.log.info(_progress(seen, total, len(failed), runner))
    return Outcome(seen - len(failed), failed, total - seen)


def record(
    context: dg.AssetExecutionContext,
    runner: GenerationRunner,
    generations: Iterable[Generated],
    steps: Collection[Step] = STEPS,
) -> None:
    """Record an event for each step that was made, and for the one that failed."""
    events: list[AssetEvent] = []
    for generated in generations:
        events += materializations(runner.store, generated)
        if generated.error is not None:
            events.append(failure_observation(runner.store, generated, steps))
    record_events(context, events)


def mark_failed(context: dg.AssetExecutionContext, generations: Iterable[Generated]) -> None:
    """Let the UI show partitions as failed in this run, of the first asset that lacks them."""
    record_events(
        context,
        [
            planned_materialization(
                dg.AssetKey(f"{generated.stage}_{failed_step(generated)}"), generated.gen_id
            )
            for generated in generations
        ],
    )


def _progress(seen: int, total: int, failed: int, runner: GenerationRunner) -> str:
    budget = runner.budget
    return (
        f"{seen} of {counted(total, 'generation')}, {failed} failed; "
        f"{counted(budget.calls, 'model call')}, {budget.prompt_tokens} tokens sent, "
        f"{budget.completion_tokens} received, {money(budget.cost)} USD"
    )
