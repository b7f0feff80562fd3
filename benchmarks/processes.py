"""What a user waits for, from the command to its end: `python -m benchmarks.processes [section …]`.

Each figure is that of whole processes, imports included: the bare loop of `benchmarks.loops` and
the command `daydream`, one after the other in each round. Peers are not measured here. The CPU
time of a process includes that of its children.
"""
# ruff: noqa: INP001  a program to be run by hand

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from adapters.cohort_store.filesystem import FilesystemCohortStore
from benchmarks.endpoint import RunningEndpoint, Settings, running_endpoint
from benchmarks.loops import COHORT
from benchmarks.pipeline import Row, Used, planned, print_sections, spend
from daydreaming_dagster.data_layer.paths import Paths

ROUNDS: Final = 5
_DAYDREAM: Final = [sys.executable, "-m", "daydreaming_dagster"]


class Timed(NamedTuple):
    """What a process took, and after how many seconds its first request came, 0 without any."""

    used: Used
    first: float


def planned_drafts(count: int) -> Path:
    """Return a new data root with a cohort of so many drafts, and nothing else."""
    root = planned(count).root
    members = FilesystemCohortStore(root).read_membership(COHORT)
    rows = "".join(f"draft,{gen_id}\n" for gen_id in members["draft"])
    Paths(root).cohort_membership_csv(COHORT).write_text(f"stage,gen_id\n{rows}", "utf-8")
    return root


def bare(root: Path, concurrency: int, endpoint: RunningEndpoint) -> Used:
    """Ask for the drafts with OpenAI's client alone."""
    loop = [sys.executable, "-m", "benchmarks.loops", "bare", str(root), str(concurrency)]
    return spend(loop, endpoint.base_url)


def run(root: Path, concurrency: int, endpoint: RunningEndpoint) -> Used:
    """Run the cohort."""
    command = [*_DAYDREAM, "run", COHORT, "-d", str(root), "-j", str(concurrency)]
    return spend(command, endpoint.base_url)


def _timed(way: Callable[[Path, int, RunningEndpoint], Used], root: Path, calls: "Calls") -> Timed:
    seconds = calls.seconds
    with running_endpoint(Settings(seconds, seconds)) as endpoint:
        started = time.time()
        used = way(root, calls.concurrency, endpoint)
        first = endpoint.stats().first_asked
    return Timed(used, first and first - started)


class Calls(NamedTuple):
    """So many calls of so many seconds, so many of them at once."""

    count: int
    seconds: float
    concurrency: int

    def rows(self, rounds: int, wanted_wall: str) -> Iterator[Row]:
        """Compare the bare loop with a run on a fresh data root, and with one that finds all done.

        Medians of so many rounds.
        """
        loops, runs, again = list[Timed](), list[Timed](), list[Used]()
        for _ in range(rounds):
            root = planned_drafts(self.count)
            loops.append(_timed(bare, root, self))
            runs.append(_timed(run, root, self))
            again.append(_timed(run, root, self).used)
        yield Row("the bare loop", _seconds([each.used.wall for each in loops]))
        walls = [each.used.wall for each in runs]
        yield _ratio("daydream run", walls, [each.used.wall for each in loops], wanted_wall)
        firsts = [each.first for each in runs]
        yield _ratio("to the first call", firsts, [each.first for each in loops], "1.5")
        cpu = median(each.used.cpu for each in runs) - median(each.used.cpu for each in loops)
        yield Row("CPU a call beyond the bare loop's", f"{cpu / self.count * 1000:.1f} ms", "4 ms")
        imports = [spend([sys.executable, "-c", "import dagster"]).wall for _ in range(rounds)]
        walls = [each.wall for each in again]
        yield _ratio("daydream run, all done, to `import dagster`", walls, imports, "1.5")


def small() -> Iterator[Row]:
    """Compare 500 calls of 200 ms, 50 at once."""
    yield from Calls(500, 0.2, 50).rows(ROUNDS, "1.5")


def large() -> Iterator[Row]:
    """Compare 4,000 calls of 1 s, 200 at once."""
    yield from Calls(4_000, 1.0, 200).rows(ROUNDS, "1.2")


def short() -> Iterator[Row]:
    """Compare commands that call no model with Python's own start."""
    root = planned_drafts(10)
    starts, used = list[Used](), dict[str, list[Used]]()
    for _ in range(2 * ROUNDS):
        starts.append(spend([sys.executable, "-c", "pass"]))
        for name, arguments in {
            "daydream --version": ["--version"],
            "daydream status of 10 drafts": ["status", COHORT, "-d", str(root)],
        }.items():
            used.setdefault(name, []).append(spend([*_DAYDREAM, *arguments]))
    limit = 3 * median(each.wall for each in starts) + 0.2
    for name, each in used.items():
        cpu = median(one.cpu for one in each)
        figure = f"{_seconds([one.wall for one in each])}, CPU {cpu:.2f} s"
        yield Row(name, figure, f"{limit:.2f} s: three times Python's start, and 0.2 s")


def _ratio(name: str, seconds: list[float], of: list[float], wanted: str) -> Row:
    return Row(name, f"{_seconds(seconds)}, ratio {median(seconds) / median(of):.2f}", wanted)


def _seconds(figures: list[float]) -> str:
    return f"{median(figures):.2f} s ({min(figures):.2f} to {max(figures):.2f})"


SECTIONS: Final[Mapping[str, Callable[[], Iterator[Row]]]] = {
    section.__name__: section for section in (small, large, short)
}


if __name__ == "__main__":
    print_sections(SECTIONS)
