"""How processes share limits: `python -m benchmarks.limits [section …]`.

Four processes take as much as they can. In a bucket, an S3 server on this machine keeps the limits:
ministack, of the development packages. Figures are shares of what is allowed, and requests.
"""
# ruff: noqa: INP001  a program to be run by hand

import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from functools import wraps
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

from adapters.language_model.file_limits import FileRateLimiter
from adapters.object_store.bucket import Bucket
from benchmarks.pipeline import Row, print_sections
from daydreaming_dagster.bootstrap import open_data_root
from daydreaming_dagster.domain.generation.ledger import Limits, Spending
from daydreaming_dagster.limits_bootstrap import open_ledger
from daydreaming_dagster.ports.rate_limiter import RateLimiter

PROCESSES: Final = 4
SECONDS: Final = 6.0
RATES: Final = (1200, 6000)
CALLS: Final = 1200

Took = tuple[list[float], Counter[str]]
"""When a process took each unit, and the requests that it made."""


def rates() -> Iterator[Row]:
    """Requests a minute: taken, and most in a second, as shares of what is allowed."""
    with tempfile.TemporaryDirectory() as folder, s3_server():
        for per_minute in RATES:
            for kept_in, place in (("files", folder), ("a bucket", f"s3://lab/{per_minute}")):
                took = _in_processes(_take_at_rate, place, per_minute)
                times = sorted(moment for of_process, _ in took for moment in of_process)
                most = max(
                    bisect_left(times, first + 1.0) - number for number, first in enumerate(times)
                )
                shares = (60 * len(times) / (per_minute * SECONDS), 60 * most / per_minute)
                figure = f"{shares[0]:.2f}, {shares[1]:.2f}; {_requests(took)}"
                yield Row(f"{per_minute:,} a minute in {kept_in}", figure)


def budget() -> Iterator[Row]:
    """A limit of 1,200 calls: taken, as a share of the limit."""
    with tempfile.TemporaryDirectory() as folder, s3_server():
        for kept_in, place in (("a folder", folder), ("a bucket", "s3://lab/budget")):
            took = _in_processes(_take_of_limit, place, CALLS)
            taken = sum(len(times) for times, _ in took)
            yield Row(f"in {kept_in}", f"{taken / CALLS:.2f}; {_requests(took)}")


def _requests(took: list[Took]) -> str:
    made = sum((counted for _, counted in took), Counter[str]())
    return f"{made['writes']} writes, {made['lost']} of them lost; {made['reads']} reads"


def _take_at_rate(place: str, per_minute: int, start: float) -> Took:
    root = open_data_root(place)
    root.written_files().swap("limits/tried", None, b"")  # asks whether the server has conditions
    made, open_rate = _count_requests(), root.open_rate
    rate: RateLimiter = (
        FileRateLimiter(Path(place, f"rate-{per_minute}"), per_minute)
        if open_rate is None
        else open_rate("model/requests", per_minute)
    )
    times: list[float] = []
    time.sleep(max(start - time.time(), 0.0))
    while (now := time.time()) < start + SECONDS:
        if wait := rate.take(1):
            time.sleep(min(wait, 0.1))
        else:
            times.append(now)
    return times, made


def _take_of_limit(place: str, limit: int, start: float) -> Took:
    ledger, times = open_ledger(open_data_root(place), "run"), list[float]()
    ledger.begin(Limits(max_calls=limit), PROCESSES)
    made = _count_requests()
    with ledger.share() as share:
        time.sleep(max(start - time.time(), 0.0))
        while share.take(Spending(1)) is None:
            times.append(time.time())
            share.note(Spending(), Spending(1))
            time.sleep(0.005)
    return times, made


def _count_requests() -> Counter[str]:
    """Count what buckets of this process read and write on condition, from now on."""
    made: Counter[str] = Counter()

    def counting(kind: str, request: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(request)
        def counted(*arguments: Any) -> Any:
            made[kind] += 1
            answer = request(*arguments)
            made["lost"] += kind == "writes" and answer is None
            return answer

        return counted

    for kind, name in (("reads", "find"), ("writes", "_put_if")):
        setattr(Bucket, name, counting(kind, getattr(Bucket, name)))
    return made


def _in_processes(take: Callable[[str, int, float], Took], place: str, amount: int) -> list[Took]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, context) as pool:
        start = time.time() + 4.0
        takes = [pool.submit(take, place, amount, start) for _ in range(PROCESSES)]
        return [taken.result() for taken in takes]


@contextmanager
def s3_server() -> Iterator[None]:
    """Run an S3 server with the bucket `lab`, and let this process and its children use it."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
    }
    server = subprocess.Popen(  # noqa: S603  the program that the package installs
        [Path(sys.executable).with_name("ministack")],
        env={**os.environ, "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            with suppress(OSError):
                connection = HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("PUT", "/lab")
                connection.getresponse()
                break
            time.sleep(0.1)
        yield
    finally:
        server.kill()
        server.wait()


SECTIONS: Final = {"rates": rates, "budget": budget}

if __name__ == "__main__":
    print_sections(SECTIONS)
