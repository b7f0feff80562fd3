"""Kill workers of a cohort's run every few seconds, and count the calls that are paid twice.

    python -m benchmarks.workers [generations] [workers] [seconds between kills] [most calls]
        [requests a minute] [bucket]

It prints how many generations and kills there were, how many are not done, how many calls were
made, how many of them beyond one for each, and how many of these were not in flight when a worker
was killed. With a limit of calls, it also prints why the run says that it ended. With a limit of
requests a minute, it prints the most calls that came within any minute and any ten seconds, and the
calls from the first kill to the last one, as shares of what is allowed. With `bucket`, an S3 server
on this machine keeps the data root and the limits: ministack, of the development packages.
"""
# ruff: noqa: INP001, T201  a program to be run by hand

import os
import re
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from benchmarks.limits import s3_server
from daydreaming_dagster.application.copy_data_root import copy_data_root
from daydreaming_dagster.bootstrap import open_data_root
from daydreaming_dagster.defs.launch import open_instance
from endpoint import serving
from killing import Calls, QuietEndpoint, kill_some, missing, start_run, write_cohort


def main(  # noqa: PLR0913, PLR0917  the arguments of the command
    generations: int = 2000,
    workers: int = 4,
    every_seconds: float = 5.0,
    most_calls: int = 0,
    per_minute: int = 0,
    kept_in: str = "folder",
) -> None:
    """Run the cohort, kill its workers, and print the figures."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        root, home = Path(folder, "lab"), Path(folder, "home")
        planned, location = write_cohort(root, generations, per_minute or None), str(root)
        if kept_in == "bucket":
            stack.enter_context(s3_server())
            location = "s3://lab/workers"
            files = open_data_root(root).written_files()
            copy_data_root(files, open_data_root(location).written_files())
        with open_instance(home) as instance:
            instance.add_dynamic_partitions("cohorts", ["c1"])
        calls, begun = Calls(latency_seconds=1.0), time.monotonic()
        with serving(QuietEndpoint(calls.respond)) as endpoint:
            run = start_run(
                Path(folder, "log"),
                os.environ,
                workers,
                {"max_calls": most_calls} if most_calls else {},
                DAYDREAM_DATA_ROOT=location,
                DAGSTER_HOME=str(home),
                OPENAI_BASE_URL=endpoint.url,
                OPENAI_API_KEY="none",
                XDG_STATE_HOME=str(Path(folder, "state")),
            )
            kills = kill_some(run, calls, every_seconds, most=100)
        print(f"{planned} generations, {workers} workers, {kills} kills")
        print(f"exit code {run.returncode}, {missing(location)} not done")
        print(f"{time.monotonic() - begun:.0f} s, load {os.getloadavg()[1]:.1f} in the last 5 min")
        print(f"{calls.asked.total()} calls")
        print(f"{calls.paid_twice} calls beyond one each")
        print(f"{len(calls.paid_twice_without_need)} of them not in flight at a kill")
        if per_minute:
            print_rate(calls, per_minute)
        if run.returncode:
            log = Path(folder, "log").read_text("utf-8")
            print(next(iter(re.findall("stopped: .*", log)), log[-3000:]))


def print_rate(calls: Calls, per_minute: int) -> None:
    """Print how many calls came, as shares of what is allowed."""
    for seconds in (60, 10):
        share = calls.most_within(seconds) / (per_minute * seconds / 60)
        print(f"{share:.2f} of what is allowed at most within {seconds} s")
    minutes = (calls.kill_times[-1] - calls.kill_times[0]) / 60
    between = sum(calls.kill_times[0] <= at < calls.kill_times[-1] for at in calls.times)
    print(f"{between / (per_minute * minutes):.2f} of it between the first kill and the last one")


if __name__ == "__main__":
    main(
        *(
            kind(value)
            for kind, value in zip((int, int, float, int, int, str), sys.argv[1:], strict=False)
        )
    )
