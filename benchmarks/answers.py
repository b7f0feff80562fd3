"""What answers cost in bytes, milliseconds and USD: `python -m benchmarks.answers [section …]`.

The endpoint is `benchmarks.endpoint`, in a process of its own. None of this is a test.
"""
# ruff: noqa: INP001  a program to be run by hand

import asyncio
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import attrs

from adapters import UnsyncedFilesystemGensStore
from adapters.cohort_store.filesystem import FilesystemCohortStore
from adapters.language_model.limiting import LimitingLanguageModel
from adapters.language_model.openai import OpenAILanguageModel
from benchmarks.endpoint import (
    ANSWER_PRICE,
    CACHED_PRICE,
    PROMPT_PRICE,
    Settings,
    completion,
    running_endpoint,
)
from benchmarks.loops import MODEL
from benchmarks.pipeline import Row, planned, print_sections
from daydreaming_dagster.domain.cohort.spending import spent_before
from daydreaming_dagster.domain.generation.answers import store_answer
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.recipe import Recipe
from daydreaming_dagster.domain.generation.runner import GenerationRunner
from daydreaming_dagster.domain.parsing.registry import find_parser
from daydreaming_dagster.ports.language_model import Completion, ModelRequest

CALLS: Final = 10_000
ANSWERS: Final = 300
RECORDS: Final = 500
ROUNDS: Final = 7
"""The least disturbed of so many counts: the disk moves CPU times too."""
CONCURRENCY: Final = 64
_PROMPT: Final = "Say something about two concepts. " * 30


def billing() -> Iterator[Row]:
    """Compare what is reported with the bill of 10,000 calls, 10 % of them 429 and 5 % lost."""
    for says, name in ((True, "the provider says it"), (False, "from the catalog")):
        plan = planned(CALLS)
        cohorts = FilesystemCohortStore(plan.root)
        catalog = cohorts.read_catalog()
        if not says:
            prices = dict(zip(_PRICES, (PROMPT_PRICE, ANSWER_PRICE, CACHED_PRICE), strict=True))
            models = {id_: attrs.evolve(one, **prices) for id_, one in catalog.models.items()}
            catalog = attrs.evolve(catalog, models=models)
        store = UnsyncedFilesystemGensStore(plan.root)
        drafts = {"draft": plan.members["draft"]}
        budget = Budget.of(catalog.models.values(), None, None)
        settings = Settings(limited=0.1, losing=0.05, says=says, retry_after=0)
        with running_endpoint(settings) as endpoint:
            # A pause of the whole model at each refusal would take an hour.
            pause = 0.001
            inner = OpenAILanguageModel(endpoint.base_url)
            model = LimitingLanguageModel(
                inner, {}, plan.root, CONCURRENCY, first_pause_seconds=pause
            )
            runner = GenerationRunner(store, model, catalog, budget=budget, second_call_seconds=0.0)
            failed = asyncio.run(_generate(runner, drafts))
            stats = endpoint.stats()
        stored = spent_before(store, catalog, drafts)
        figure = f"{stored - stats.billed:.2f} USD of {stats.billed:.2f}"
        yield Row(f"reported minus billed, {name}", figure, "0.00")
        lost = f"{budget.cost_of_lost:.2f} USD; billed {stats.billed_lost:.2f}"
        yield Row("  lost answers, at most", lost, "at least the bill")
        yield Row("  calls", f"{sum(stats.asked.values()):,}; {failed} lost twice")


_PRICES: Final = ("prompt_price", "completion_price", "cached_prompt_price")


async def _generate(runner: GenerationRunner, drafts: Mapping[str, list[str]]) -> int:
    made = runner.generate_many(drafts, in_flight=CONCURRENCY)
    failed = sum([item.error is not None async for item in made])
    await runner.model.aclose()
    return failed


def streaming() -> Iterator[Row]:
    """Compare the CPU time of answers of 900 tokens, streamed a token at a time and whole."""
    with running_endpoint(Settings()) as endpoint:
        for stream, name in ((False, "in one piece"), (True, "streamed")):
            model = OpenAILanguageModel(endpoint.base_url, stream=stream)
            asyncio.run(_ask(model, 20))  # imports, and connections
            before = time.process_time()
            asyncio.run(_ask(model, ANSWERS))
            ms = (time.process_time() - before) / ANSWERS * 1e3
            yield Row(f"an answer {name}", f"{ms:.1f} ms of CPU")


async def _ask(model: OpenAILanguageModel, count: int) -> None:
    room = asyncio.Semaphore(16)

    async def ask(number: int) -> None:
        async with room:
            await model.complete(ModelRequest(f"{number} {_PROMPT}", MODEL))

    await asyncio.gather(*map(ask, range(count)))
    await model.aclose()


def record() -> Iterator[Row]:
    """Compare what an answer of 900 tokens takes on disk, with its whole response and without."""
    body = completion(MODEL, _PROMPT, "0" * 64)
    text = body["choices"][0]["message"]["content"]
    whole = json.dumps(body, separators=(",", ":"))
    recipe = Recipe("draft", "bench", "llm", find_parser("identity"), "a template", MODEL)
    sizes = dict[str, int]()
    times = defaultdict[str, list[float]](list)
    for name, response in (("without", ""), ("with", whole)) * ROUNDS:
        store = UnsyncedFilesystemGensStore(Path(tempfile.mkdtemp()))
        answer = Completion(text, "stop", MODEL, 1.0, 250, 900, response=response)
        before = time.process_time()
        for number in range(RECORDS):
            store_answer(store, f"d{number}", recipe, _PROMPT, answer)
        times[name].append((time.process_time() - before) / RECORDS * 1e3)
        size = store.raw_metadata_path("draft", "d0").stat().st_size
        sizes[name] = size + len(text.encode())
    ms = {name: min(taken) for name, taken in times.items()}
    for name, size in sizes.items():
        yield Row(f"an answer {name} its response", f"{size:,} bytes, {ms[name]:.2f} ms of CPU")
    more = sizes["with"] - sizes["without"]
    yield Row("the response", f"{more:,} bytes, {ms['with'] - ms['without']:.2f} ms of CPU")
    yield Row("  of it beside the text", f"{more - len(text.encode()):,} bytes")


SECTIONS: Final[Mapping[str, Callable[[], Iterator[Row]]]] = {
    section.__name__: section for section in (record, streaming, billing)
}


if __name__ == "__main__":
    print_sections(SECTIONS)
