"""Makes many generations at a time for a synchronous caller."""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing

from daydreaming_dagster.application.async_bridge import DISK_THREADS, iterate_in_thread
from daydreaming_dagster.application.run_listener import RunListener
from daydreaming_dagster.domain.generation.generated import STEPS, Generated, Outcome, Step
from daydreaming_dagster.domain.generation.runner import IN_FLIGHT, GenerationRunner
from daydreaming_dagster.ports.gens_store import threads_for
from daydreaming_dagster.types import Stage


def run_generations(
    runner: GenerationRunner,
    generations: Mapping[Stage, Sequence[str]],
    listener: RunListener,
    steps: Collection[Step] = STEPS,
    *,
    in_flight: int = IN_FLIGHT,
) -> Outcome:
    """Make these generations, tell the listener about each, and return the outcome.

    Closes the model at the end.
    """

    async def run() -> AsyncGenerator[Generated, None]:
        try:
            async with aclosing(
                runner.generate_many(generations, steps, in_flight=in_flight)
            ) as generated:
                async for item in generated:
                    yield item
        finally:
            await runner.model.aclose()
            if runner.lane is not None:
                await runner.lane.submission.model.aclose()

    finished, failed = 0, list[Generated]()
    threads = threads_for(runner.store, DISK_THREADS)
    for arrived in iterate_in_thread(run, threads=threads):
        in_batches = () if runner.lane is None else runner.lane.waits()
        listener.waiting((*runner.waits.values(), *in_batches))
        if not arrived:
            continue
        listener.note(arrived, runner.budget)
        finished += len(arrived)
        failed += [generated for generated in arrived if generated.error is not None]
    total = sum(map(len, generations.values()))
    set_aside = tuple(runner.set_aside.values())
    for reason in set_aside:
        listener.set_aside(reason)
    for notice in () if runner.lane is None else runner.lane.notices():
        listener.remark(notice)
    return Outcome(finished - len(failed), failed, total - finished, set_aside)
