"""What happens when a run in Dagster is terminated."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import dagster as dg

from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.signals import handling


@contextmanager
def stopped_by_termination(stop: CancellationToken) -> Iterator[None]:
    """Let the answers in flight arrive when Dagster terminates the run during the block.

    Dagster interrupts the process of the step with SIGINT, and a container's platform with SIGTERM.
    Dagster's own handler raises an error wherever the step is, and what is in flight would be lost.
    Here the first signal stops the run; the second one goes to Dagster's handler. In another thread
    than the main one, signals are left to the caller.

    Raises:
        dagster.DagsterExecutionInterruptedError: A signal came, and the block has ended. Dagster
            shows the run as canceled.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    dagsters = signal.getsignal(signal.SIGINT)
    terminated = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal terminated
        if terminated and callable(dagsters):
            dagsters(number, frame)
        terminated = True
        stop.stop(f"terminated by {signal.Signals(number).name}")

    with handling(handle, signal.SIGINT, signal.SIGTERM):
        yield
    if terminated:
        raise dg.DagsterExecutionInterruptedError
