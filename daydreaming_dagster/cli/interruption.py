"""Handles Ctrl-C and SIGTERM: while modules are being imported, and while models are called."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from daydreaming_dagster.signals import handling

if TYPE_CHECKING:  # this is loaded before Ctrl-C is handled
    from rich.console import Console

    from daydreaming_dagster.domain.generation.cancellation import CancellationToken

EXIT_INTERRUPTED: Final = 130
"""Ctrl-C outside of a run's calls. Shells use the same code."""
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


@contextmanager
def stopped_by_signals(token: "CancellationToken", console: "Console") -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the run of the block; a second signal ends it at once."""
    from daydreaming_dagster.cli.console import note

    interrupted = False

    def handle(number: int, _frame: object) -> None:
        nonlocal interrupted
        if interrupted:
            console.show_cursor()  # the bars hide it
            # The store and Dagster's databases survive a kill at any time.
            os._exit(128 + number)
        interrupted = True
        token.stop(f"interrupted by {signal.Signals(number).name}")
        note(
            "interrupted: waiting for the answers in flight; interrupt again to drop them", console
        )

    with handling(handle, signal.SIGINT, signal.SIGTERM):
        yield
