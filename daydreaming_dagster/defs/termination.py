"""What happens when a run in Dagster is terminated."""

import logging
import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final

import dagster as dg

from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.signals import handling

_POLL_SECONDS: Final = 1.0
_TERMINATED: Final = {dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED}


class DagsterExecutionInterruptedError(dg.DagsterError, dg.DagsterExecutionInterruptedError):
    """Ends a step that was interrupted, and is not to be repeated whatever its retry policy says.

    Dagster repeats a step with a policy after an interrupt, but not after an error of its own. Its
    multiprocess executor knows interrupts by the name of the class.
    """


@contextmanager
def never_repeated() -> Iterator[None]:
    """Let a step's retry policy not repeat it after an error or interrupt in the block.

    What is left for the policy is a step whose process is killed.

    Raises:
        dagster.Failure: An error ended the block; it is the cause.
        dagster.DagsterExecutionInterruptedError: The block was interrupted.
    """
    try:
        yield
    except dg.Failure:
        raise
    except Exception as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    except (dg.DagsterExecutionInterruptedError, KeyboardInterrupt) as interrupt:
        raise DagsterExecutionInterruptedError(str(interrupt)) from interrupt.__cause__


@contextmanager
def ending_when_terminated(
    context: dg.AssetExecutionContext, stop: CancellationToken
) -> Iterator[Sequence[str]]:
    """Let the answers in flight arrive when Dagster terminates the run during the block.

    Dagster sets the status of a run that is terminated. It also interrupts the process of the step
    with SIGINT, if it started that process, and a container's platform interrupts it with SIGTERM.
    Dagster's own handler raises an error wherever the step is, and what is in flight would be lost.
    Here the status and the first signal stop the run; a second Ctrl-C goes to Dagster's handler.
    In another thread than the main one, signals are left to the caller.

    The block gets the reasons for which it was terminated; there are none while it goes on.

    Raises:
        dagster.DagsterExecutionInterruptedError: The run was terminated, and the block has ended.
            Dagster shows the run as canceled if somebody asked Dagster for it, or else as failed.
            The cause is the block's own failure, if it failed.
    """
    reasons: list[str] = []

    def terminate(reason: str) -> None:
        reasons.append(reason)
        stop.stop(reason)

    failure: dg.Failure | None = None
    with _signals(terminate), _status_polled(context, terminate):
        try:
            yield reasons
        except dg.Failure as error:
            failure = error
    if reasons:
        raise dg.DagsterExecutionInterruptedError(reasons[0]) from failure
    if failure is not None:
        raise failure


@contextmanager
def _signals(terminate: Callable[[str], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    dagsters, signals = signal.getsignal(signal.SIGINT), 0
    # A terminal sends Ctrl-C to every process, and Dagster sends it again to those it started.
    for_one = 1 if multiprocessing.parent_process() is None else 2

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal signals
        signals += 1
        if signals > for_one and callable(dagsters):
            dagsters(number, frame)
        terminate(f"terminated by {signal.Signals(number).name}")

    with handling(handle, signal.SIGINT, signal.SIGTERM):
        yield


@contextmanager
def _status_polled(
    context: dg.AssetExecutionContext, terminate: Callable[[str], None]
) -> Iterator[None]:
    """Terminate the block when the run's status says so.

    No signal comes if another process than Dagster's started the run, as `daydream run` does, or if
    the run is marked as canceled without waiting for its end.
    """
    ended = threading.Event()

    def poll() -> None:
        while not ended.wait(_POLL_SECONDS):
            try:
                run = context.instance.get_run_by_id(context.run.run_id)
            except Exception as error:  # noqa: BLE001  of any database; it may be readable later
                reason = str(error).partition("\n")[0]
                logging.getLogger(__name__).warning("cannot read the run's status: %s", reason)
                continue
            if run is not None and run.status in _TERMINATED:
                terminate("terminated in Dagster")
                context.log.info("terminated: waiting for the answers in flight")
                return

    thread = threading.Thread(target=poll, name="run-status")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
