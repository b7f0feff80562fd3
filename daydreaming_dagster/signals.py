"""Handles signals for a while."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


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
