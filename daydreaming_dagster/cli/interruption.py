"""Ctrl-C while modules are being loaded."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

EXIT_INTERRUPTED: Final = 130
"""Ctrl-C before or after the calls of a run; what shells and typer say too."""
INTERRUPTED: Final = "interrupted\n"


@contextmanager
def loading() -> Iterator[None]:
    """Let Ctrl-C end the process at once, with a line, while the block imports modules.

    A `KeyboardInterrupt` would be lost in callbacks of the import system, or come out of an
    import as another error.
    """
    before = signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _leave(_number: int, _frame: object) -> None:
    os.write(2, INTERRUPTED.encode())
    os._exit(EXIT_INTERRUPTED)
