"""Handles signals that end a command, also while modules are being imported."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

EXIT_INTERRUPTED: Final = 130
"""Ctrl-C outside of a run's calls. Shells and typer use the same code."""
INTERRUPTED: Final = "interrupted\n"


@contextmanager
def handling(
    handler: Callable[[int, FrameType | None], None], *numbers: signal.Signals
) -> Iterator[None]:
    """Let `handler` handle the signals during the block, but leave ignored signals ignored.

    A script starts background commands with SIGINT ignored, so that Ctrl-C does not reach them
    (POSIX, Shell Command Language, 2.11). SIGTERM still ends them.
    """
    before = {number: signal.getsignal(number) for number in numbers}
    taken = [number for number in numbers if before[number] is not signal.SIG_IGN]
    for number in taken:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])


@contextmanager
def loading() -> Iterator[None]:
    """Let Ctrl-C end the process at once, with a message, while the block imports modules.

    A `KeyboardInterrupt` could be lost in callbacks of the import system, or be turned into another
    error by an import.
    """
    with handling(_leave, signal.SIGINT):
        yield


def _leave(_number: int, _frame: object) -> None:
    os.write(2, INTERRUPTED.encode())
    os._exit(EXIT_INTERRUPTED)
