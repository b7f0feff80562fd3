"""Kill workers of a cohort's run every few seconds, and count the calls that are paid twice.

    python -m benchmarks.workers [generations] [workers] [seconds between kills] [most calls]

It prints how many generations and kills there were, how many are not done, how many calls were
made, how many of them beyond one for each, and how many of these were not in flight when a worker
was killed. With a limit of calls, it also prints why the run says that it ended.
"""
# ruff: noqa: INP001, T201  a program to be run by hand

import os
import re
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from daydreaming_dagster.defs.launch import open_instance
from endpoint import serving
from killing import Calls, QuietEndpoint, kill_some, missing, start_run, write_cohort


def main(
    generations: int = 2000, workers: int = 4, every_seconds: float = 5.0, most_calls: int = 0
) -> None:
    """Run the cohort, kill its workers, and print the figures."""
    with TemporaryDirectory() as folder:
        root, home = Path(folder, "lab"), Path(folder, "home")
        planned = write_cohort(root, generations)
        with open_instance(home) as instance:
            instance.add_dynamic_partitions("cohorts", ["c1"])
        calls, begun = Calls(latency_seconds=1.0), time.monotonic()
        with serving(QuietEndpoint(calls.respond)) as endpoint:
            run = start_run(
                Path(folder, "log"),
                os.environ,
                workers,
                {"max_calls": most_calls} if most_calls else {},
                DAYDREAM_DATA_ROOT=str(root),
                DAGSTER_HOME=str(home),
                OPENAI_BASE_URL=endpoint.url,
                OPENAI_API_KEY="none",
                XDG_STATE_HOME=str(Path(folder, "state")),
            )
            kills = kill_some(run, calls, every_seconds, most=100)
        print(f"{planned} generations, {workers} workers, {kills} kills")
        print(f"exit code {run.returncode}, {missing(root)} not done")
        print(f"{time.monotonic() - begun:.0f} s, load {os.getloadavg()[1]:.1f} in the last 5 min")
        print(f"{calls.asked.total()} calls")
        print(f"{calls.paid_twice} calls beyond one each")
        print(f"{len(calls.paid_twice_without_need)} of them not in flight at a kill")
        if run.returncode:
            log = Path(folder, "log").read_text("utf-8")
            print(next(iter(re.findall("stopped: .*", log)), log[-3000:]))


if __name__ == "__main__":
    main(*(kind(value) for kind, value in zip((int, int, float, int), sys.argv[1:], strict=False)))
