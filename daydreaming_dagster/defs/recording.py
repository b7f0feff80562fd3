"""Making generations inside a run of Dagster, which records each as soon as it is done."""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing

import dagster as dg

# Dagster has no public way to say that one partition of an asset failed in a run.
from dagster._core.events import AssetMaterializationPlannedData

from daydreaming_dagster.defs.materializations import (
    failed_step,
    failure_observation,
    materializations,
)
from daydreaming_dagster.defs.resources import Listener
from daydreaming_dagster.defs.threads import iterate_in_thread
from daydreaming_dagster.domain.generation_run import (
    STEPS,
    Generated,
    GenerationRunner,
    Outcome,
    Step,
)
from daydreaming_dagster.types import Stage

_LOG_LINES = 20


def make_and_record(
    context: dg.AssetExecutionContext,
    runner: GenerationRunner,
    generations: Mapping[Stage, Sequence[str]],
    listener: Listener,
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
    for item in iterate_in_thread(run):
        seen += 1
        record(context, runner, item, steps)
        if item.error is not None:
            failed.append(item)
        listener.note(item, runner.budget)
        if seen * _LOG_LINES // total > (seen - 1) * _LOG_LINES // total:
            context.log.info(_progress(seen, total, len(failed), runner))
    return Outcome(seen - len(failed), failed, total - seen)


def record(
    context: dg.AssetExecutionContext,
    runner: GenerationRunner,
    generated: Generated,
    steps: Collection[Step] = STEPS,
) -> None:
    """Record an event for each step that was made, and for the one that failed."""
    for event in materializations(runner.store, generated):
        context.log_event(event)
    if generated.error is not None:
        context.log_event(failure_observation(runner.store, generated, steps))


def mark_failed(context: dg.AssetExecutionContext, generated: Generated) -> None:
    """Let the UI show the partition as failed in this run, of the first asset that lacks it."""
    asset = dg.AssetKey(f"{generated.stage}_{failed_step(generated)}")
    planned = AssetMaterializationPlannedData(asset, partition=generated.gen_id)
    event = dg.DagsterEvent.build_asset_materialization_planned_event(
        context.run.job_name, context.op_execution_context.op_handle.name, planned
    )
    context.instance.report_dagster_event(event, run_id=context.run.run_id)


def _progress(seen: int, total: int, failed: int, runner: GenerationRunner) -> str:
    budget = runner.budget
    return (
        f"{seen} of {total} generations, {failed} failed; {budget.calls} model calls, "
        f"{budget.prompt_tokens} tokens sent, {budget.completion_tokens} received, "
        f"{budget.cost:.2f} USD"
    )
