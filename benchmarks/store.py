"""What the store costs, as ratios to bare calls that do the same: `python -m benchmarks.store`.

CPU time, since wall time moves with what else runs; ours and the bare calls in turns, and of each
the median. Reading is measured in memory (/dev/shm) where there is such a folder, writing also on
disk. Trees are kept until the end, since deleting them slows the writes that follow. Each row
says the most that is wanted of it; none of this is a test.
"""
# ruff: noqa: INP001, T201, S108, S603  a program to be run by hand
# ruff: noqa: PTH102, PTH103, PTH105, PTH112, PTH123  bare calls are what is compared with

import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from adapters import FilesystemGensStore, InMemoryGensStore, UnsyncedFilesystemGensStore
from daydreaming_dagster.data_layer import GensStore, resolve_generation_metadata
from daydreaming_dagster.data_layer.paths import ARTIFACT_FILENAMES
from daydreaming_dagster.domain.generation.template_rendering import compile_source, render_template
from daydreaming_dagster.types import JsonObject

TEXT = ("An idea that two others had together. " * 120)[:4096]
MAIN: JsonObject = {
    "format_version": 2,
    "template_id": "creative-synthesis-v2",
    "parent_gen_id": "d_0123456789abcdef",
    "mode": "llm",
    "combo_id": "combo_0123456789ab",
    "llm_model_id": "some-model",
    "cohort_id": "cohort-0123456789ab",
    "replicate": 1,
}
OUTCOME: JsonObject = {
    "sha256": "0123456789abcdef" * 4,
    "model": "vendor/some-model",
    "finish_reason": "stop",
    "duration_seconds": 12.5,
    "prompt_tokens": 1200,
    "completion_tokens": 900,
}
DOCUMENT_FILES = {
    "metadata.json": MAIN,
    "raw_metadata.json": OUTCOME,
    "parsed_metadata.json": OUTCOME,
}


class Row(NamedTuple):
    """What was measured: microseconds of CPU for one of ours and one of the bare ones."""

    name: str
    ours: float
    bare: float | None
    wanted: str

    @property
    def ratio(self) -> str:
        return f"{self.ours / self.bare:.2f}" if self.bare else ""


def compare(
    ours: Callable[[], object],
    bare: Callable[[], object],
    rounds: int,
    calls: int = 1,
    clock: Callable[[], float] = time.process_time,
) -> tuple[float, float]:
    """Return the median microseconds that a call took of each, in rounds of a few calls."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for function, of_function in zip((ours, bare), times, strict=True):
            start = clock()
            for _ in range(calls):
                function()
            of_function.append((clock() - start) / calls * 1e6)
    return statistics.median(times[0]), statistics.median(times[1])


def write_generation(store: GensStore, gen_id: str) -> None:
    """Write the six artifacts in the order in which a generation gets them."""
    store.write_main_metadata("draft", gen_id, MAIN)
    store.write_prompt("draft", gen_id, TEXT)
    store.write_raw_metadata("draft", gen_id, OUTCOME)
    store.write_raw("draft", gen_id, TEXT)
    store.write_parsed_metadata("draft", gen_id, OUTCOME)
    store.write_parsed("draft", gen_id, TEXT)


def write_bare(folder: str, synced: frozenset[str] = frozenset()) -> None:
    """Write six files, each to a temporary name that then replaces the file; no checks."""
    os.mkdir(folder)
    for name in ARTIFACT_FILENAMES.values():
        document = DOCUMENT_FILES.get(name)
        data = (TEXT if document is None else json.dumps(document)).encode()
        descriptor = os.open(f"{folder}/.tmp", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        os.write(descriptor, data)
        if name in synced:
            os.fsync(descriptor)
        os.close(descriptor)
        os.replace(f"{folder}/.tmp", f"{folder}/{name}")
        if name in synced:
            # The name of the folder matters when the text is there.
            above = [str(Path(folder).parent)] if name == "raw.txt" else []
            for path in [folder, *above]:
                descriptor = os.open(path, os.O_RDONLY)
                os.fsync(descriptor)
                os.close(descriptor)


def written(root: str, where: str) -> Iterator[Row]:
    """Measure a new generation with its folder."""
    ours = UnsyncedFilesystemGensStore(f"{root}/written")
    ours.reserve_generation("draft", "first")
    os.makedirs(f"{root}/bare/gens/draft")
    numbers = itertools.count()
    times = compare(
        lambda: write_generation(ours, f"d_{next(numbers):016x}"),
        lambda: write_bare(f"{root}/bare/gens/draft/d_{next(numbers):016x}"),
        1000,
    )
    yield Row(f"write a generation, {where}", *times, "1.25")


def resolved(root: str) -> Iterator[Row]:
    """Measure reading a document and saying what it means."""
    store = FilesystemGensStore(f"{root}/resolved")
    store.write_main_metadata("draft", "d_0123456789abcdef", MAIN)
    path = str(store.main_metadata_path("draft", "d_0123456789abcdef"))

    def bare() -> object:
        with open(path, "rb") as file:
            return json.loads(file.read())

    times = compare(
        lambda: resolve_generation_metadata(store, "draft", "d_0123456789abcdef"), bare, 100, 100
    )
    yield Row("resolve_generation_metadata", *times, "1.5")


def rendered(root: str) -> Iterator[Row]:
    """Measure a prompt from a template that was rendered before."""
    store = FilesystemGensStore(root)
    file = store.paths.template_file("evaluation", "judge")
    file.parent.mkdir(parents=True)
    file.write_text("Judge this essay by what follows. " * 75 + "{{ response }}\n", "utf-8")
    values = {"response": TEXT}
    path, source = str(file), file.read_text("utf-8")
    held = compile_source("evaluation", "judge", source)

    def bare() -> str:
        return held.render(values)

    def bare_unless_edited() -> str:
        with open(path, encoding="utf-8") as file:
            return held.render(values) if file.read() == source else ""

    def ours() -> str:
        return render_template(store, "evaluation", "judge", values)

    yield Row("render a template again", *compare(ours, bare, 100, 100), "1.2")
    yield Row("the same, bare reads it too", *compare(ours, bare_unless_edited, 100, 100), "1.2")


def listed(root: str) -> Iterator[Row]:
    """Measure a sorted listing."""
    store = FilesystemGensStore(f"{root}/listed")
    folder = f"{root}/listed/gens/draft"
    os.makedirs(folder)
    for i in range(100_000):
        os.mkdir(f"{folder}/d_{i * 2654435761 % 2**32:08x}{i:08x}")
    times = compare(
        lambda: store.list_generations("draft"),
        lambda: sorted(entry.name for entry in os.scandir(folder)),
        9,
    )
    yield Row("list_generations of 100,000", *times, "1.3")


def in_memory() -> Iterator[Row]:
    """Measure the store that tests use."""
    store = InMemoryGensStore()

    def write_and_read() -> None:
        write_generation(store, "d_0123456789abcdef")
        store.read_main_metadata("draft", "d_0123456789abcdef")
        store.read_prompt("draft", "d_0123456789abcdef")
        store.read_raw_metadata("draft", "d_0123456789abcdef")
        store.read_raw("draft", "d_0123456789abcdef")
        store.read_parsed_metadata("draft", "d_0123456789abcdef")
        store.read_parsed("draft", "d_0123456789abcdef")

    ours, _ = compare(write_and_read, lambda: None, 100, 100)
    yield Row("write and read an artifact, dict", ours / 6, None, "15 µs")


def imported() -> Iterator[Row]:
    """Measure the import beyond the start of Python itself."""

    def run(code: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True)

    def clock() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    nothing, ours = compare(run("pass"), run("import daydreaming_dagster.data_layer"), 15, 1, clock)
    _, bare = compare(run("pass"), run("import attrs, json, pathlib"), 15, 1, clock)
    yield Row("import daydreaming_dagster.data_layer", ours - nothing, bare - nothing, "1.3")


def synced(root: str) -> Iterator[Row]:
    """Measure a generation whose raw text and its metadata reach the device."""
    ours = FilesystemGensStore(f"{root}/synced")
    os.makedirs(f"{root}/bare-synced/gens/draft")
    numbers = itertools.count()
    paid_for = frozenset({"raw.txt", "raw_metadata.json"})

    def our_way() -> None:
        write_generation(ours, f"d_{next(numbers):016x}")

    def bare_way() -> None:
        write_bare(f"{root}/bare-synced/gens/draft/d_{next(numbers):016x}", paid_for)

    yield Row("write a generation, synced", *compare(our_way, bare_way, 200), "1.25")
    yield Row("the same, wall time", *compare(our_way, bare_way, 200, 1, time.perf_counter), "")


def main() -> None:
    """Print the table."""
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    os.sync()
    print(f"{'':40}{'ours, µs':>12}{'bare, µs':>12}{'ratio':>8}  at most")
    with (
        tempfile.TemporaryDirectory() as disk,
        tempfile.TemporaryDirectory(dir=memory) as root,
    ):
        for row in itertools.chain(
            written(disk, "on disk"),
            synced(disk),
            written(root, "in memory"),
            resolved(root),
            rendered(root),
            listed(root),
            in_memory(),
            imported(),
        ):
            bare = f"{row.bare:12.1f}" if row.bare else " " * 12
            print(f"{row.name:40}{row.ours:12.1f}{bare}{row.ratio:>8}  {row.wanted}")


if __name__ == "__main__":
    main()
