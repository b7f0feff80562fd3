"""What the pipeline costs beside the model calls: `python -m benchmarks.pipeline [section …]`.

The bare loop is OpenAI's own client and `asyncio.gather`. It asks the same questions at the same
endpoint on this machine in the same run. Whatever is compared runs in a process of its own. Each
row says what is wanted of it; none of this is a test.
"""
# ruff: noqa: INP001, T201, S603  a program to be run by hand

import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from adapters import UnsyncedFilesystemGensStore
from adapters.cohort_store.filesystem import FilesystemCohortStore
from benchmarks.endpoint import RunningEndpoint, Settings, running_endpoint
from benchmarks.loops import COHORT, MODEL, Measured
from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.generation.answers import store_answer, store_parsed
from daydreaming_dagster.domain.generation.metadata import resolve_generation_metadata
from daydreaming_dagster.domain.generation.prompts import render_planned_input
from daydreaming_dagster.domain.generation.recipe import make_recipe
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates
from daydreaming_dagster.ports.language_model import Completion
from daydreaming_dagster.types import STAGES

DRAFTS: Final = 1_000
CHAINS: Final = 333
"""Of draft, essay and evaluation: 999 calls."""
OVERLAPPING: Final = 300
CONCURRENCY: Final = 64
ROUNDS: Final = 7
"""Whatever else the machine does moves a wall time by a third."""
_COMMAND: Final = [sys.executable, "-m", "daydreaming_dagster"]
_DESCRIPTION: Final = (
    "It joins what was apart, and in time it is told apart from what it was. " * 14
)


class Row(NamedTuple):
    """What was measured, and what is wanted of it."""

    name: str
    figure: str
    wanted: str = ""


class Used(NamedTuple):
    """What a process took, in seconds and in bytes; `asking` is what it says of its loop alone."""

    wall: float
    cpu: float
    peak_bytes: int
    asking: Measured


class Plan(NamedTuple):
    """A data root in which a cohort is planned."""

    root: Path
    members: Mapping[str, list[str]]


def planned(chains: int) -> Plan:
    """Plan so many drafts, each with an essay and an evaluation, in a new data root.

    It is kept to the end of the program: deleting a big tree slows the writes that follow.
    """
    root = Path(tempfile.mkdtemp())
    write_data_root(root, chains)
    plan_cohort(UnsyncedFilesystemGensStore(root), FilesystemCohortStore(root), COHORT)
    return Plan(root, FilesystemCohortStore(root).read_membership(COHORT))


def write_data_root(root: Path, chains: int) -> None:
    """Write catalogs and the specification of a cohort, and the prompts of its drafts."""
    size = next(n for n in itertools.count(2) if n * (n - 1) // 2 >= chains)
    texts = {f"concept-{i:03}": f"Concept {i}. {_DESCRIPTION}" for i in range(size)}
    combos = list(itertools.islice(itertools.combinations(texts, 2), chains))
    files = {
        "1_raw/concepts_metadata.csv": "concept_id,name\n"
        + "".join(f"{concept},{concept}\n" for concept in texts),
        "1_raw/llm_models.csv": f"id,model,provider\nbench,{MODEL},bench\n",
        "1_raw/templates/draft/bench.txt": "{% for c in concepts %}{{ c.content }}{% endfor %}",
        "1_raw/templates/essay/bench.txt": "Tell a friend: {{ draft_block }}",
        "1_raw/templates/evaluation/bench.txt": "End with SCORE: n. {{ response }}",
        f"cohorts/{COHORT}/spec/combos.csv": "combo\n" + "".join(f"{a}+{b}\n" for a, b in combos),
        f"cohorts/{COHORT}/spec/config.yaml": 'axes:\n  combo: "@file:combos.csv"\n'
        + "".join(
            f"  {stage}_{axis}: [bench]\n" for stage in STAGES for axis in ("template", "llm")
        ),
        "prompts.json": json.dumps([texts[a] + texts[b] for a, b in combos]),
    }
    files |= {f"1_raw/concepts/descriptions-paragraph/{name}.txt": texts[name] for name in texts}
    for stage in STAGES:
        files[f"1_raw/{stage}_templates.csv"] = "template_id,parser,generator\nbench,,llm\n"
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def environment(base_url: str) -> dict[str, str]:
    """Return the environment of a process that asks the endpoint and nobody else."""
    unwanted = ("DAYDREAM_DATA_ROOT", "DAGSTER_HOME", "OPENAI_API_KEY")
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {**kept, "OPENAI_BASE_URL": base_url, "NO_PROXY": "127.0.0.1"}


def spend(command: list[str], base_url: str = "") -> Used:
    """Run a command to its end, which has to be good, and return what it took."""
    output = subprocess.run(
        [sys.executable, "-m", "benchmarks.spend", *command],
        stdout=subprocess.PIPE,
        env=environment(base_url),
        text=True,
        check=True,
    ).stdout
    *lines, took = (line for line in output.splitlines() if line)
    said = lines[-1] if lines and lines[-1].startswith("[") else "[0, 0]"
    return Used(*json.loads(took), Measured(*json.loads(said)))


def ask(way: str, root: Path, base_url: str) -> Used:
    """Ask for the drafts in one of the ways of `benchmarks.loops`."""
    command = [sys.executable, "-m", "benchmarks.loops", way, str(root), str(CONCURRENCY)]
    return spend(command, base_url)


def daydream(command: str, root: Path, base_url: str = "") -> Used:
    """Run the real command on the cohort."""
    options = ["-j", str(CONCURRENCY)] if command == "run" else []
    return spend([*_COMMAND, command, COHORT, "-d", str(root), *options], base_url)


def drafts() -> Iterator[Row]:
    """Compare the wall time of 1,000 drafts that take 200 ms each: medians of several rounds."""
    ways = {
        "bare": "the bare loop",
        "runner": "with the store, without Dagster",
        "dagster": "Dagster on SQLite",
    }
    used: dict[str, list[Used]] = {way: [] for way in ways}
    with running_endpoint(Settings(0.2, 0.2)) as endpoint:
        for _ in range(ROUNDS):
            for way in ways:
                used[way].append(ask(way, planned(DRAFTS).root, endpoint.base_url))
    asking = {way: [one.asking.wall for one in used[way]] for way in ways}
    for way, name in ways.items():
        figure = f"{median(asking[way]):.2f} s ({min(asking[way]):.2f} to {max(asking[way]):.2f})"
        if way == "bare":
            yield Row(name, figure)
        else:
            ratio = median(asking[way]) / median(asking["bare"])
            yield Row(name, f"{figure}, ratio {ratio:.2f}", "1.5, then near 1.1")
    for way in ("bare", "dagster"):
        start = median(one.wall - one.asking.wall for one in used[way])
        yield Row(f"start and imports, {ways[way]}", f"{start:.2f} s")
    whole = {way: median(one.wall for one in used[way]) for way in ways}
    ratio = whole["dagster"] / whole["bare"]
    yield Row("all together, Dagster on SQLite", f"{whole['dagster']:.2f} s, ratio {ratio:.2f}")


def cpu() -> Iterator[Row]:
    """Compare the CPU time of drafts that take no time: of three rounds the least disturbed."""
    ways = ("bare", "bare_aiohttp", "adapter", "runner", "runner_in_memory", "dagster")
    spent: dict[str, list[float]] = {way: [] for way in ways}
    with running_endpoint(Settings()) as endpoint:
        for _ in range(3):
            for way in ways:
                try:
                    used = ask(way, planned(DRAFTS).root, endpoint.base_url)
                except subprocess.CalledProcessError:
                    if way != "bare_aiohttp":  # it needs a package that nothing else here does
                        raise
                else:
                    spent[way].append(used.asking.cpu / DRAFTS * 1e3)
    ms = {way: min(times) for way, times in spent.items() if times}
    yield Row("a call, the bare loop", f"{ms['bare']:.2f} ms")
    if "bare_aiohttp" in ms:
        yield Row("a call, the bare loop, openai[aiohttp]", f"{ms['bare_aiohttp']:.2f} ms")
    yield Row("a call through the adapter", f"{ms['adapter']:.2f} ms")
    yield Row("a generation beyond the bare loop", f"{ms['runner'] - ms['bare']:.2f} ms", "5 ms")
    store = ms["runner"] - ms["runner_in_memory"]
    yield Row("  of it on disk instead of in memory", f"{store:.2f} ms", "2 ms")
    yield Row("Dagster's events, SQLite", f"{ms['dagster'] - ms['runner']:.1f} ms", "40 ms")


def refusals() -> Iterator[Row]:
    """Count the calls at an endpoint that refuses a fifth of them."""
    with running_endpoint(Settings(limited=0.1, failing=0.1)) as endpoint:
        used = daydream("run", planned(CHAINS).root, endpoint.base_url)
        stats = endpoint.stats()
    asked, twice = sum(stats.asked.values()), sum(stats.answered.values()) - len(stats.answered)
    figure = f"{asked} calls, {stats.refused} refused, {len(stats.answered)} answered"
    yield Row("10 % 429 and 10 % 500", f"{figure}, {used.wall:.0f} s")
    yield Row("  answered twice", str(twice), "0")


def interruption() -> Iterator[Row]:
    """Kill the command half way, run it again, and once more when all is done."""
    root = planned(CHAINS).root
    with running_endpoint(Settings(0.2, 0.2)) as endpoint:
        _run_and_kill(root, endpoint, len(STAGES) * CHAINS // 2)
        daydream("run", root, endpoint.base_url)
        stats = endpoint.stats()
        again = daydream("run", root, endpoint.base_url)
        more = sum(endpoint.stats().asked.values()) - sum(stats.asked.values())
    wanted = len(STAGES) * CHAINS
    yield Row(
        "killed half way, run again",
        f"{sum(stats.asked.values())} calls",
        f"{wanted} + at most {CONCURRENCY}",
    )
    yield Row("run again when all is done", f"{more} calls, {again.wall:.1f} s", "0 calls, 5 s")


def _run_and_kill(root: Path, endpoint: RunningEndpoint, answers: int) -> None:
    """Kill the command after so many answers."""
    command = [*_COMMAND, "run", COHORT, "-d", str(root), "-j", str(CONCURRENCY)]
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(endpoint.base_url),
    ) as process:
        while len(endpoint.stats().answered) < answers:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)


def chains() -> Iterator[Row]:
    """Compare 300 chains of three calls of 0.1 to 2 s, stage after stage and overlapping."""
    for way in ("stage_after_stage", "overlapping"):
        with running_endpoint(Settings(0.1, 2.0)) as endpoint:
            used = ask(way, planned(OVERLAPPING).root, endpoint.base_url)
            ideal = endpoint.stats().thought_seconds / CONCURRENCY
        name = way.replace("_", " ")
        yield Row(name, f"{used.asking.wall:.1f} s; the endpoint alone needs {ideal:.1f}")


def scale() -> Iterator[Row]:
    """Measure what grows with the number of generations when 10 of them are left to do."""
    for count in (1_000, 10_000, 100_000):
        plan = planned(count // len(STAGES))
        with running_endpoint(Settings()) as endpoint:
            _answer_all_but(plan, 10)
            yield _scaled(f"{count:,}: daydream plan, again", daydream("plan", plan.root))
            registered = ask("register", plan.root, "")
            yield _scaled(f"{count:,}: register the partitions", registered)
            # The first run has no index, and tells Dagster what is done.
            yield _scaled(f"{count:,}: daydream status, no index", daydream("status", plan.root))
            used = daydream("run", plan.root, endpoint.base_url)
            yield _scaled(f"{count:,}: daydream run, the first", used)
            store = UnsyncedFilesystemGensStore(plan.root)
            for gen_id in plan.members["evaluation"][-10:]:
                store.raw_path("evaluation", gen_id).unlink()
                store.parsed_path("evaluation", gen_id).unlink()
            yield _scaled(f"{count:,}: daydream status", daydream("status", plan.root))
            used = daydream("run", plan.root, endpoint.base_url)
            assert sum(endpoint.stats().asked.values()) == 20  # noqa: PLR2004, S101  10 each
            yield _scaled(f"{count:,}: daydream run, 10 left", used)
            used = spend([*_COMMAND, "check", "-d", str(plan.root)])
            yield _scaled(f"{count:,}: daydream check", used)


def _answer_all_but(plan: Plan, left: int) -> None:
    """Make all generations but the last evaluations, without a model."""
    store = UnsyncedFilesystemGensStore(plan.root)
    catalog = FilesystemCohortStore(store.paths).read_catalog()
    store_answers(
        store, catalog, {**plan.members, "evaluation": plan.members["evaluation"][:-left]}
    )


def store_answers(
    store: GensStoreWithTemplates, catalog: Catalog, members: Mapping[str, Sequence[str]]
) -> None:
    """Make planned generations without a model."""
    for stage in STAGES:
        for gen_id in members[stage]:
            metadata = resolve_generation_metadata(store, stage, gen_id)
            recipe = make_recipe(store, catalog, stage, gen_id, metadata)
            prompt = render_planned_input(store, catalog, gen_id, metadata, recipe)
            store.write_prompt(stage, gen_id, prompt)
            text = f"{gen_id} {_DESCRIPTION}\nSCORE: 7"
            completion = Completion(text, "stop", MODEL, 0.2, 400, 300)
            answer = store_answer(store, gen_id, recipe, prompt, completion)
            store_parsed(store, stage, gen_id, recipe.reader, answer)


def _scaled(name: str, used: Used) -> Row:
    return Row(name, f"{used.wall:.1f} s, CPU {used.cpu:.1f} s, {used.peak_bytes / 1e6:.0f} MB")


SECTIONS: Final[Mapping[str, Callable[[], Iterator[Row]]]] = {
    section.__name__: section for section in (drafts, cpu, refusals, interruption, chains, scale)
}


def print_sections(sections: Mapping[str, Callable[[], Iterator[Row]]]) -> None:
    """Print the table of the sections that the command line names, or of all."""
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder
        for name in sys.argv[1:] or sections:
            print(f"\n{sections[name].__doc__}\n")
            for row in sections[name]():
                print(f"{row.name:46}{row.figure:48}  {row.wanted}", flush=True)


if __name__ == "__main__":
    print_sections(SECTIONS)
