"""Starts the process that records a run of the command in Dagster, and tells it of the run.

In this process, loading Dagster and recording would take the interpreter's time from the calls. So
this module loads nothing of Dagster.

The process is sent the `RecordedRun`, then each call of a listener of the run, and at last its
`CohortRun` or the error that ended it. It replies with reasons to stop the run, and at last with
whether Dagster shows the run as successful, or with the error for which it could not be recorded.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from operator import methodcaller
from pathlib import Path
from typing import IO

import attrs

from daydreaming_dagster.application.run_cohort import RunOptions
from daydreaming_dagster.application.run_listener import RunPlan
from daydreaming_dagster.application.started_run import StartedRun
from daydreaming_dagster.defs.messages import receive, send
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.domain.generation.generated import Generated
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.ports.language_model import Wait


@attrs.frozen
class RecordedRun:
    """Which run is recorded, where, and under which names.

    Attributes:
        home: The folder of Dagster's databases.
        location: The path or URL of the data root.
        cohort_id: The cohort.
        options: What the run was asked for.
        key_prefix: The prefix of the assets.
    """

    home: Path
    location: str
    cohort_id: str
    options: RunOptions
    key_prefix: str


@attrs.define(eq=False)
class RecorderLostError(DaydreamingError):
    """The process that records a run is not there, or ended before the run; `how` says it."""

    how: str

    def __str__(self) -> str:
        return (
            f"the process that records the run in Dagster {self.how}; every answer is stored all "
            "the same, and the same command records later what is missing"
        )


def record(
    run: RecordedRun,
    started: StartedRun,
    token: CancellationToken,
    tell: Callable[[Exception], None],
) -> bool:
    """Record a started run in Dagster until it ends, and return whether it all succeeded.

    The run waits for its recording only as `StartedRun` says, and goes on without it if that fails.
    Then `tell` is called with the reason: once, at once, perhaps in another thread. The run is
    ended through the token if somebody terminates it in Dagster, or if Dagster's database fails.

    Raises:
        Exception: What the run raised.
    """
    failed = threading.Event()

    def listen(process: "subprocess.Popen[bytes]") -> bool:
        reply = _read_replies(process, token)
        if isinstance(reply, Exception):
            if not failed.is_set():  # or else the reply is the error of the run
                tell(reply)
            return False
        return reply

    try:
        with _recorder() as process, ThreadPoolExecutor(max_workers=1) as thread:
            output = _pipe(process.stdin)
            send(output, run)
            outcome = thread.submit(listen, process)
            try:
                made = started.follow(_Messages(output))
            except BaseException as error:
                failed.set()
                # Errors of others may not survive the way.
                known = isinstance(error, DaydreamingError)
                send(output, error if known else RuntimeError(repr(error)))
                raise
            send(output, made)
            return outcome.result()
    except RecorderLostError as error:  # it cannot be started
        tell(error)
        return False


@contextmanager
def _recorder() -> "Iterator[subprocess.Popen[bytes]]":
    """Start the process, and wait for its end after the block.

    It has a session of its own, so that Ctrl-C in the terminal does not reach it.
    """
    search = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "daydreaming_dagster.defs.recorder"],
            env={**os.environ, "PYTHONPATH": search},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise RecorderLostError(f"cannot be started: {error.strerror}") from error
    try:
        yield process
    finally:
        with suppress(BrokenPipeError):  # of what could not be sent
            _pipe(process.stdin).close()
        _pipe(process.stdout).close()
        process.wait()


def _pipe(end: IO[bytes] | None) -> IO[bytes]:
    assert end is not None  # noqa: S101  both were asked for
    return end


@attrs.define(eq=False)
class _Messages:
    """Sends what a listener is told."""

    _output: IO[bytes]

    def begin(self, plan: RunPlan) -> None:
        send(self._output, methodcaller("begin", plan))

    def note(self, finished: Sequence[Generated], budget: Budget) -> None:
        send(self._output, methodcaller("note", finished, budget))

    def waiting(self, waits: Sequence[Wait]) -> None:
        send(self._output, methodcaller("waiting", waits))

    def set_aside(self, reason: str) -> None:
        send(self._output, methodcaller("set_aside", reason))

    def remark(self, notice: str) -> None:
        send(self._output, methodcaller("remark", notice))


def _read_replies(process: "subprocess.Popen[bytes]", token: CancellationToken) -> bool | Exception:
    """Return the last reply, which is an error if the run is not recorded."""
    pipe = _pipe(process.stdout)
    try:
        while isinstance(reply := receive(pipe), str):
            token.stop(reply)
    except EOFError:
        code = process.wait()
        return RecorderLostError(
            f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
        )
    return reply if isinstance(reply, Exception) else bool(reply)
