"""What the commands have in common: consoles, options, exit codes."""

import json
import sys
from typing import Annotated, Final

import typer
from rich.console import Console

from daydreaming_dagster.domain.errors import (
    CohortBusyError,
    CohortNotPlannedError,
    StaleAnswerError,
)

DEFAULT_DATA_ROOT: Final = "data"

EXIT_INCOMPLETE: Final = 1
"""Something is not as it should be: generations are not done, or a check found something."""
EXIT_WRONG: Final = 2
"""The input is wrong; nothing was asked."""
# What is no terminal takes any line; a table that is cut there is of no use.
out = Console(width=None if sys.stdout.isatty() else 1_000)
err = Console(stderr=True)

DataRootOption = Annotated[
    str,
    typer.Option(
        "--data-root", "-d", envvar="DAYDREAM_DATA_ROOT", help="Folder (or URL) of the data."
    ),
]
CohortArgument = Annotated[str, typer.Argument(metavar="COHORT", help="Folder below cohorts/.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def note(message: str) -> None:
    """Print a line to standard error that a reader may act on."""
    err.print(message, style="yellow", markup=False, highlight=False, soft_wrap=True)


def complain(message: str) -> None:
    """Print a line to standard error about something that went wrong."""
    err.print(message, style="red", markup=False, highlight=False, soft_wrap=True)


def explained(error: Exception) -> str:
    """Return what an error says, and which command helps, where one does."""
    match error:
        case CohortNotPlannedError():
            return f"{error}; run: daydream plan {error.cohort_id}"
        case CohortBusyError():
            return f"{error}, or follow it with: daydream tail {error.cohort_id}"
        case StaleAnswerError():
            return f"{error}; to replace it and keep it beside the new one, run with --stale"
        case _:
            return str(error)


def pretty(document: object) -> str:
    """Return a document as indented JSON."""
    return json.dumps(document, ensure_ascii=False, indent=2)
