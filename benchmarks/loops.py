"""The ways to ask the same questions that `benchmarks.pipeline` compares, each in its own process.

    OPENAI_BASE_URL=… python -m benchmarks.loops <way> <data_root> <concurrency>

asks for the drafts of the cohort `bench` in the data root and prints what `Measured` says, as
JSON. Imports are not in it; the whole process is measured from outside.
"""
# ruff: noqa: INP001, T201  a program to be run by hand

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from daydreaming_dagster.data_layer import GensStore
    from daydreaming_dagster.domain.generation.generated import Generated
    from daydreaming_dagster.types import Stage

COHORT = "bench"
MODEL = "bench-model"


class Measured(NamedTuple):
    """What asking took, in seconds; the imports before it are not counted."""

    wall: float
    cpu: float


@contextmanager
def measured() -> Iterator[None]:
    """Print what the block took."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    taken = Measured(time.perf_counter() - wall, time.process_time() - cpu)
    print(json.dumps(taken))


def bare(data_root: Path, concurrency: int) -> None:
    """Ask the client alone, `asyncio.gather` under a semaphore, and keep no answer."""
    from openai import AsyncOpenAI

    _gather(AsyncOpenAI(api_key="none", max_retries=0), data_root, concurrency)


def bare_aiohttp(data_root: Path, concurrency: int) -> None:
    """The same with the client's other transport: `openai[aiohttp]`."""
    from openai import AsyncOpenAI, DefaultAioHttpClient

    client = AsyncOpenAI(api_key="none", max_retries=0, http_client=DefaultAioHttpClient())
    _gather(client, data_root, concurrency)


def adapter(data_root: Path, concurrency: int) -> None:
    """Ask through the port, as the pipeline does, without a store."""
    _import_client()

    from adapters.language_model.openai import OpenAILanguageModel
    from adapters.language_model.retrying import RetryingLanguageModel
    from daydreaming_dagster.ports.language_model import ModelRequest

    prompts = _prompts(data_root)

    async def ask() -> None:
        model = RetryingLanguageModel(OpenAILanguageModel(os.environ["OPENAI_BASE_URL"]))
        limit = asyncio.Semaphore(concurrency)

        async def one(prompt: str) -> None:
            async with limit:
                await model.complete(ModelRequest(prompt, MODEL))

        await asyncio.gather(*map(one, prompts))
        await model.aclose()

    with measured():
        asyncio.run(ask())


def runner(data_root: Path, concurrency: int) -> None:
    """Generate prompt, raw and parsed texts on disk, without Dagster."""
    from adapters import FilesystemGensStore

    drafts = _drafts(data_root)
    _generate(FilesystemGensStore(data_root), data_root, concurrency, {"draft": drafts})


def runner_in_memory(data_root: Path, concurrency: int) -> None:
    """The same with the store in memory."""
    from adapters import FilesystemGensStore, InMemoryGensStore

    files = FilesystemGensStore(data_root)
    store = InMemoryGensStore({("draft", "bench"): files.read_template("draft", "bench")})
    for gen_id in _drafts(data_root):
        metadata = files.read_main_metadata("draft", gen_id)
        store.write_main_metadata("draft", gen_id, metadata)
    _generate(store, data_root, concurrency, {"draft": _drafts(data_root)})


def dagster(data_root: Path, concurrency: int) -> None:
    """Generate in a Dagster run whose events are kept in SQLite, as `daydream run` does."""
    from daydreaming_dagster.application.run_cohort import RunOptions
    from daydreaming_dagster.bootstrap import open_data_root
    from daydreaming_dagster.data_layer.paths import Paths
    from daydreaming_dagster.defs.launch import materialize_cohort_run, open_instance
    from daydreaming_dagster.defs.resources import RunResources

    _import_client()
    # A cohort of drafts alone.
    paths = Paths(data_root)
    drafts = "".join(f"draft,{gen_id}\n" for gen_id in _drafts(data_root))
    paths.cohort_membership_csv(COHORT).write_text(f"stage,gen_id\n{drafts}", "utf-8")
    used = RunResources(open_data_root(data_root), concurrency)
    with open_instance(data_root / "dagster_home") as instance, measured():
        if not materialize_cohort_run(instance, used, COHORT, RunOptions()):
            raise SystemExit("some drafts failed")


def register(data_root: Path, _concurrency: int) -> None:
    """Make all generations known to Dagster, and ask nothing."""
    from daydreaming_dagster.defs.launch import open_instance
    from daydreaming_dagster.defs.partitions import register_partitions

    with measured(), open_instance(data_root / "dagster_home") as instance:
        register_partitions(instance, _members(data_root))


def _import_client() -> None:
    """Import the client, which the adapter's first call imports otherwise."""
    import openai

    openai.DefaultAioHttpClient()


def _members(data_root: Path) -> "dict[Stage, list[str]]":
    from adapters.cohort_store.filesystem import FilesystemCohortStore

    return FilesystemCohortStore(data_root).read_membership(COHORT)


def _drafts(data_root: Path) -> list[str]:
    return _members(data_root)["draft"]


def _prompts(data_root: Path) -> list[str]:
    """Return the drafts' prompts, which the loops without a store get for nothing."""
    return json.loads((data_root / "prompts.json").read_text("utf-8"))


def _gather(client: "AsyncOpenAI", data_root: Path, concurrency: int) -> None:
    prompts = _prompts(data_root)

    async def ask() -> None:
        limit = asyncio.Semaphore(concurrency)

        async def one(prompt: str) -> None:
            async with limit:
                await client.chat.completions.create(
                    model=MODEL, messages=[{"role": "user", "content": prompt}]
                )

        await asyncio.gather(*map(one, prompts))
        await client.close()

    with measured():
        asyncio.run(ask())


def _generate(
    store: "GensStore",
    data_root: Path,
    concurrency: int,
    *rounds: "Mapping[Stage, Sequence[str]]",
) -> None:
    """Make the generations of each round when those of the round before are done."""
    from adapters.cohort_store.filesystem import FilesystemCohortStore
    from daydreaming_dagster.application.async_bridge import iterate_in_thread
    from daydreaming_dagster.bootstrap import compose_language_model
    from daydreaming_dagster.domain.generation.runner import GenerationRunner

    _import_client()
    with measured():
        catalog = FilesystemCohortStore(data_root).read_catalog()
        model = compose_language_model(catalog, concurrency)
        generation_runner = GenerationRunner(store, model, catalog)

        async def generated() -> "AsyncGenerator[Generated, None]":
            for generations in rounds:
                async for done in generation_runner.generate_many(generations):
                    yield done
            await model.aclose()

        for arrived in iterate_in_thread(generated):
            for done in arrived:
                if done.error is not None:
                    raise done.error


def stage_after_stage(data_root: Path, concurrency: int) -> None:
    """Generate all drafts, then all essays, then all evaluations, without Dagster."""
    from adapters import FilesystemGensStore

    members = _members(data_root)
    store = FilesystemGensStore(data_root)
    rounds = [{stage: gen_ids} for stage, gen_ids in members.items()]
    _generate(store, data_root, concurrency, *rounds)


def overlapping(data_root: Path, concurrency: int) -> None:
    """Generate each essay when its draft is done, each evaluation when its essay is."""
    from adapters import FilesystemGensStore

    members, store = _members(data_root), FilesystemGensStore(data_root)
    _generate(store, data_root, concurrency, members)


WAYS: dict[str, Callable[[Path, int], None]] = {
    way.__name__: way
    for way in (
        bare,
        bare_aiohttp,
        adapter,
        runner,
        runner_in_memory,
        stage_after_stage,
        overlapping,
        dagster,
        register,
    )
}


if __name__ == "__main__":
    WAYS[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
