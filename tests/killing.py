"""Kills workers of a cohort's run while they work, and counts what is paid twice."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import combinations
from pathlib import Path

import attrs

from adapters.cohort_store.filesystem import FilesystemCohortStore
from adapters.gens_store.filesystem import FilesystemGensStore
from builders import FILES
from daydreaming_dagster.application.cohort_status import look
from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.bootstrap import open_data_root
from endpoint import Endpoint

STORED_WITHIN_SECONDS = 5.0
"""How long after its answer was sent a call counts as in flight: it may not be stored yet."""

READ_WITHIN_SECONDS = 1.0
"""How long what a worker has sent may lie unread: the endpoint shares this process's turns."""

SPEC = """\
axes:
  concepts: [{concepts}]
  k: 2
  draft_template: [links]
  draft_llm: [big]
  essay_template: [story]
  essay_llm: [big]
  evaluation_template: [judge]
  evaluation_llm: [big]
description_level: sentence
"""


MODELS = """\
id,model,provider,prompt_price,completion_price,max_tokens,requests_per_minute
big,big-1,acme,0,200000,5,{per_minute}
"""
"""Each answer costs a USD, and is expected to."""


def write_cohort(root: Path, generations: int, per_minute: float | None = None) -> int:
    """Plan the cohort c1 of at least so many generations, whose prompts differ; return how many.

    At most `per_minute` calls a minute are allowed.
    """
    count = next(n for n in range(2, 1000) if 3 * len([*combinations(range(n), 2)]) >= generations)
    names = [f"c{number}" for number in range(count)]
    files = {
        **FILES,
        "1_raw/llm_models.csv": MODELS.format(per_minute=per_minute or ""),
        "1_raw/concepts_metadata.csv": "concept_id,name\n"
        + "".join(f"{name},{name}\n" for name in names),
        **{f"1_raw/concepts/descriptions-sentence/{name}.txt": f"{name}.\n" for name in names},
        "cohorts/c1/spec/config.yaml": SPEC.format(concepts=", ".join(names)),
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    cohorts = FilesystemCohortStore(root)
    plan_cohort(FilesystemGensStore(root), cohorts, "c1")
    return sum(map(len, cohorts.read_membership("c1").values()))


def missing(location: str | Path) -> int:
    """Return how many generations of the cohort are not done."""
    root = open_data_root(location)
    state = look(root.store, root.cohorts, "c1", root.cohorts.read_catalog())
    return sum(len(status.todo) for status in state.stages.values())


@attrs.define
class Calls:
    """Answers each call after `latency_seconds`, and knows which are in flight."""

    latency_seconds: float
    times: list = attrs.field(factory=list)
    asked: Counter = attrs.field(factory=Counter)
    ended: dict = attrs.field(factory=dict)
    most_paid_twice: Counter = attrs.field(factory=Counter)
    kill_times: list = attrs.field(factory=list)
    lock: threading.Lock = attrs.field(factory=threading.Lock)

    def respond(self, handler) -> None:
        prompt = handler.body["messages"][-1]["content"]
        with self.lock:
            self.times.append(time.monotonic())
            self.asked[prompt] += 1
            self.ended.pop(prompt, None)
        time.sleep(self.latency_seconds)
        text = "Fair.\nSCORE: 6" if prompt.startswith("Judge") else f"Re: {prompt}"
        message = {"role": "assistant", "content": text}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
        try:
            handler.reply(200, {"model": "big-1", "choices": choices, "usage": usage})
        except OSError:
            handler.close_connection = True  # it was killed
        with self.lock:
            self.ended[prompt] = time.monotonic()

    def kill(self, send: Callable[[int], None]) -> None:
        """Kill a worker, to which `send` sends a signal, and remember what is in flight.

        Only that may be asked again, whichever worker asked it. The worker is stopped first: calls
        that it has sent and nobody has read are in flight, too.

        Raises:
            ProcessLookupError: The worker has ended.
        """
        send(signal.SIGSTOP)
        time.sleep(READ_WITHIN_SECONDS)
        with self.lock:
            self.kill_times.append(time.monotonic())
            since = self.kill_times[-1] - STORED_WITHIN_SECONDS
            for prompt in self.asked:
                if self.ended.get(prompt, since) >= since:
                    self.most_paid_twice[prompt] += 1
        send(signal.SIGKILL)

    def most_within(self, seconds: float) -> int:
        """Return the largest number of calls that came within any so many seconds."""
        return max(
            bisect_left(self.times, first + seconds) - number
            for number, first in enumerate(self.times)
        )

    @property
    def working(self) -> bool:
        """Whether a call is in flight now."""
        with self.lock:
            return len(self.ended) < len(self.asked)

    @property
    def paid_twice(self) -> int:
        return self.asked.total() - len(self.asked)

    @property
    def paid_twice_without_need(self) -> list:
        """The prompts that were asked again more often than they were in flight at a kill."""
        more = {prompt: times - 1 for prompt, times in self.asked.items()}
        return [prompt for prompt, times in more.items() if times > self.most_paid_twice[prompt]]


class QuietEndpoint(Endpoint):
    """Drops the connections of killed workers without a word."""

    def handle_error(self, request, client_address) -> None:
        """Keep quiet."""


def children(pid: int) -> list:
    """Return the ids of the processes that run steps for Dagster's multiprocess executor."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_bytes()
        except (OSError, ValueError, IndexError):
            continue
        if parent == pid and b"spawn_main" in command:
            found.append(int(folder.name))
    return found


def start_run(log: Path, environment, workers: int, limits=(), **more: str):
    """Start Dagster's command on the cohort, with the multiprocess executor or that of celery."""
    config = {"ops": {"cohort_run": {"config": {"workers": workers, **dict(limits)}}}}
    if "DAYDREAM_CELERY" not in more:
        config["execution"] = {"config": {"multiprocess": {"max_concurrent": workers}}}
    command = "dagster asset materialize -m daydreaming_dagster.definitions --select cohort_run"
    with log.open("wb") as output:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", *command.split(), "--partition", "c1"),
                *("--config-json", json.dumps(config)),
            ],
            env={**environment, **more},
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def kill_some(run, calls: Calls, every_seconds: float, most: int) -> int:
    """Kill a worker again and again while calls are in flight; return how many were killed."""
    kills, drawn = 0, random.Random(1)
    while run.poll() is None:
        time.sleep(every_seconds)
        workers = children(run.pid)
        if kills < most and workers and calls.working:
            with suppress(ProcessLookupError):
                calls.kill(partial(os.kill, drawn.choice(workers)))
                kills += 1
    return kills
