"""Signals that end a command: who takes them, and Ctrl-C while modules are being loaded."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

EXIT_INTERRUPTED: Final = 130
"""Ctrl-C before or after the calls of a run; what shells and typer say too."""
INTERRUPTED: Final = "interrupted\n"


@contextmanager
def handling(
    handler: Callable[[int, FrameType | None], None], *numbers: signal.Signals
) -> Iterator[None]:
    """Let `handler` take the signals during the block, but leave ignored ones ignored.

    A script starts what it runs in the background with SIGINT ignored, so that Ctrl-C does not
    reach it (POSIX, Shell Command Language, 2.11). SIGTERM ends it there too.
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
    """Let Ctrl-C end the process at once, with a line, while the block imports modules.

    A `KeyboardInterrupt` would be lost in callbacks of the import system, or come out of an
    import as another error.
    """
    with handling(_leave, signal.SIGINT):
        yield


def _leave(_number: int, _frame: object) -> None:
    os.write(2, INTERRUPTED.encode())
    os._exit(EXIT_INTERRUPTED)
