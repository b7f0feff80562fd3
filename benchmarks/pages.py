"""How long Dagster's pages take with many partitions, in a real browser.

    python -m benchmarks.pages COUNT [DAGSTER_HOME]

records COUNT essays, with three events each, in a new data root, starts Dagster's webserver, and
opens its pages in Chromium. A DAGSTER_HOME without records may name PostgreSQL in its dagster.yaml.
"""
# ruff: noqa: INP001, T201  a program to be run by hand

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import dagster as dg
from playwright.sync_api import Page, sync_playwright
from playwright.sync_api import TimeoutError as PageTimeoutError

from daydreaming_dagster.cli.examples import copy_examples
from daydreaming_dagster.defs.event_log import databases_open, record_events
from daydreaming_dagster.defs.launch import open_instance
from daydreaming_dagster.defs.partitions import register_partitions

_STEPS: Final = ("prompt", "raw", "parsed")
_TOGETHER: Final = 500
_PATIENCE_MILLISECONDS: Final = 120_000


def fill(home: Path, essays: list[str]) -> str:
    """Record the essays in Dagster as a run does, and return the id of that run."""

    @dg.asset
    def essays_recorded(context: dg.AssetExecutionContext) -> None:
        metadata = {"text": dg.MetadataValue.md("word " * 100)}
        for first in range(0, len(essays), _TOGETHER):
            for step in _STEPS:
                asset = dg.AssetKey(f"essay_{step}")
                record_events(
                    context,
                    [
                        dg.AssetMaterialization(asset, partition=gen_id, metadata=metadata)
                        for gen_id in essays[first : first + _TOGETHER]
                    ],
                )

    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    with open_instance(home) as instance, databases_open(instance):
        register_partitions(instance, {"essay": essays})
        return dg.materialize([essays_recorded], instance=instance, run_config=quiet).run_id


@contextmanager
def webserver(data_root: Path, home: Path) -> Iterator[tuple[str, int]]:
    """Yield the URL of a webserver for this data root, and the id of its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = {"DAYDREAM_DATA_ROOT": str(data_root), "DAGSTER_HOME": str(home)}
    command = [sys.executable, *f"-m dagster_webserver -p {port}".split()]
    server = subprocess.Popen(  # noqa: S603  this Python
        [*command, "-m", "daydreaming_dagster.definitions"],
        env={**os.environ, "OPENAI_API_KEY": "none", **where},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}", server.pid
    finally:
        server.terminate()
        server.wait()


def seconds_until(page: Page, url: str, text: str) -> float | None:
    """Return how long a page takes to show a text, None if it does not in two minutes."""
    began = time.perf_counter()
    page.goto(url)
    try:
        page.get_by_text(text).first.wait_for(timeout=_PATIENCE_MILLISECONDS)
    except PageTimeoutError:
        return None
    return time.perf_counter() - began


def main(count: int, home: Path | None = None) -> None:
    """Print a line for each page."""
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        data_root = Path(folder, "lab")
        copy_examples(data_root)
        home = home or data_root / "dagster_home"
        essays = [f"e_{number:026d}" for number in range(count)]
        run_id = fill(home, essays)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        one = f"/assets/essay_raw?view=partitions&partition={essays[-7]}"
        pages = [
            ("lineage of all assets", "/asset-groups", "essay"),
            ("an asset", "/assets/essay_raw", "Latest materialization"),
            ("its partitions", "/assets/essay_raw?view=partitions", "Materialized ("),
            ("its partitions again", "/assets/essay_raw?view=partitions", "Materialized ("),
            ("one of its partitions", one, "word word"),
            ("the run, to its last event", f"/runs/{run_id}", "RUN_SUCCESS"),
        ]
        with webserver(data_root, home) as (url, process):
            for name, path, text in pages:
                taken = seconds_until(page, url + path, text)
                said = "more than 120" if taken is None else f"{taken:.1f}"
                memory = ["ps", "-o", "rss=", "-p", str(process)]
                kilobytes = subprocess.check_output(memory, text=True).strip()  # noqa: S603
                print(f"{name}: {said} s; the server has {int(kilobytes) // 1024} MB", flush=True)
        browser.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), *map(Path, sys.argv[2:3]))
