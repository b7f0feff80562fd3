"""Handles Ctrl-C while modules are being imported."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from daydreaming_dagster.signals import handling

EXIT_INTERRUPTED: Final = 130
"""Ctrl-C outside of a run's calls. Shells and typer use the same code."""
INTERRUPTED: Final = "interrupted\n"


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
