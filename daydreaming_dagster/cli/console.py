"""What the commands have in common: consoles, options, exit codes."""

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from daydreaming_dagster.domain.errors import (
    CohortBusyError,
    CohortNotPlannedError,
    StaleAnswerError,
    UnusableAnswerError,
)

DEFAULT_DATA_ROOT: Final = "data"

EXIT_INCOMPLETE: Final = 1
"""Something is not as it should be: generations are not done, or a check found something."""
EXIT_WRONG: Final = 2
"""The input is wrong; nothing was asked."""
# What is no terminal takes any line; a table that is cut there is of no use.
out = Console(width=None if sys.stdout.isatty() else 1_000)
err = Console(stderr=True)

# JSON itself has no characters that are not printable but newlines, where it is indented.
_UNPRINTABLE: Final = re.compile(
    r"[\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]"
)

DataRootOption = Annotated[
    str,
    typer.Option(
        "--data-root", "-d", envvar="DAYDREAM_DATA_ROOT", help="Folder (or URL) of the data."
    ),
]
CohortArgument = Annotated[str, typer.Argument(metavar="COHORT", help="Folder below cohorts/.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def visible(text: str) -> str:
    """Return a text without what could steer a terminal: escapes, control and bidi characters."""
    return "".join(
        character if character.isprintable() or character in "\n\t" else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def cell(text: str) -> Text:
    """Return a table's cell that shows a text as it is, and takes nothing in it for markup."""
    return Text(visible(text))


def say(line: str) -> None:
    """Print a line to standard output."""
    typer.echo(visible(line))


def say_json(document: object, *, indent: int | None = 2) -> None:
    """Print a document as JSON in which every character that is not printable is escaped."""
    text = json.dumps(document, ensure_ascii=False, indent=indent)
    typer.echo(_UNPRINTABLE.sub(lambda match: json.dumps(match[0])[1:-1], text))


def note(message: str) -> None:
    """Print a line to standard error that a reader may act on."""
    err.print(Text(visible(message), style="yellow"), soft_wrap=True)


def complain(message: str) -> None:
    """Print a line to standard error about something that went wrong."""
    err.print(Text(visible(message), style="red"), soft_wrap=True)


@contextmanager
def terminal() -> Iterator[Console]:
    """Yield a console on the terminal that standard error is now.

    Dagster takes file descriptor 2 for the log of a step. Where standard error is not a terminal,
    that is `err`.
    """
    if not sys.stderr.isatty():
        yield err
        return
    with os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8") as stream:
        yield Console(file=stream)


def explained(error: Exception) -> str:
    """Return what an error says, and which command helps, where one does."""
    match error:
        case CohortNotPlannedError():
            return f"{error}; run: daydream plan {error.cohort_id}"
        case CohortBusyError():
            return f"{error}, or follow it with: daydream tail {error.cohort_id}"
        case StaleAnswerError():
            return f"{error}; to replace it and keep it beside the new one, run with --stale"
        case UnusableAnswerError():
            return f"{error}; --force GEN_ID asks for another"
        case _:
            return str(error)
