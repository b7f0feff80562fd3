"""Consoles, options and exit codes that all commands share."""

import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

import click
from rich.console import Console
from rich.text import Text

from daydreaming_dagster.domain.errors import (
    CohortBusyError,
    CohortNotPlannedError,
    NoCatalogsError,
    StaleAnswerError,
    UnknownCohortError,
    UnusableAnswerError,
)
from daydreaming_dagster.formatting import not_utf8
from daydreaming_dagster.locations import is_url

DEFAULT_DATA_ROOT: Final = "data"

EXIT_INCOMPLETE: Final = 1
"""Generations are not done, or a check found something."""
EXIT_WRONG: Final = 2
"""The input is wrong; no model was called."""
# If the output is not a terminal, lines may be long, and a truncated table would be useless. To
# look for the names of emoji in titles, rich would load a table of them all.
out = Console(width=None if sys.stdout.isatty() else 1_000, emoji=False)
err = Console(stderr=True, emoji=False)

# Characters that JSON leaves unescaped but a terminal should not get.
_UNPRINTABLE: Final = re.compile(
    r"[\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]"
)

_CommandT = TypeVar("_CommandT", bound=Callable[..., Any])

COHORT_HELP: Final = "Folder below cohorts/."


class WholeNumberRange(click.IntRange):
    """A range of whole numbers, called one in messages and in the help."""

    name = "integer"


class NumberRange(click.FloatRange):
    """A range of numbers. What is not a number (`nan`) lies in none."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number.

        Raises:
            click.BadParameter: It is none, or lies outside of the range.
        """
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


data_root_option = click.option(
    "--data-root",
    "-d",
    default=DEFAULT_DATA_ROOT,
    envvar="DAYDREAM_DATA_ROOT",
    show_envvar=True,
    help="Folder (or URL) of the data.",
)
cohort_argument = click.argument("cohort_id", metavar="COHORT", help=COHORT_HELP)
cohort_or_loop_argument = click.argument(
    "name", metavar="COHORT|LOOP", help="Folder below cohorts/ or loops/."
)
cohorts_or_loop_argument = click.argument(
    "names",
    nargs=-1,
    required=True,
    metavar="COHORT...|LOOP",
    help="Folder below cohorts/ or loops/; several cohorts in one ranking.",
)
cohorts_argument = click.argument(
    "cohort_ids",
    nargs=-1,
    required=True,
    metavar="COHORT...",
    help="One cohort, or several in one ranking.",
)
without_option = click.option(
    "--without",
    multiple=True,
    metavar="JUDGE",
    help="Leave out a judge: a template, a model, or TEMPLATE/MODEL; repeatable.",
)
concurrency_option = click.option(
    "--concurrency",
    "-j",
    type=WholeNumberRange(min=1),
    help="Concurrent calls per model without a limit in llm_models.csv."
    " Default: as many as the endpoint takes.",
)
new_cohort_argument = click.argument("cohort_id", metavar="COHORT", help="The new cohort.")
max_cost_option = click.option(
    "--max-cost", type=NumberRange(min=0), help="Spend at most this much, in USD."
)
fresh_option = click.option("--fresh", is_flag=True, help="Leave out scores that are stale.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def refuse_url(_ctx: click.Context, _param: click.Parameter, path: Path | None) -> Path | None:
    """Return the path of an option, unless it is a URL, of which `Path` keeps one slash only."""
    if path is not None and is_url(path):
        raise click.BadParameter("a URL cannot be written to here; name a place on this machine")
    return path


def file_argument(help_text: str) -> Callable[[_CommandT], _CommandT]:
    """Return the argument `file`: a file of this machine that is there."""
    kind = click.Path(exists=True, dir_okay=False, path_type=Path)
    return click.argument("file", type=kind, metavar="FILE", help=help_text)


def output_option(help_text: str, *, folder: bool = False) -> Callable[[_CommandT], _CommandT]:
    """Return the option `output`: a file of this machine to be written, or a `folder`."""
    kind = click.Path(file_okay=not folder, dir_okay=folder, path_type=Path)
    return click.option("--output", "-o", type=kind, callback=refuse_url, help=help_text)


def decoded(file: BinaryIO) -> str:
    """Return the text in an argument's file.

    Raises:
        click.BadParameter: It is not UTF-8.
    """
    try:
        return file.read().decode()
    except UnicodeDecodeError as error:
        raise click.BadParameter(f"{file.name} is {not_utf8(error)}") from None


def visible(text: str) -> str:
    """Return a text without characters that control a terminal: escape, control and bidi ones."""
    return "".join(
        character if character.isprintable() or character in "\n\t" else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def cell(text: str) -> Text:
    """Return a table cell that shows a text literally, without interpreting markup."""
    return Text(visible(text))


def say(line: str) -> None:
    """Print a line to standard output."""
    click.echo(visible(line))


def say_json(document: object, *, indent: int | None = 2) -> None:
    """Print a document as JSON, with all characters escaped that cannot be printed."""
    narrow = not (sys.stdout.encoding or "").lower().startswith("utf")  # `?` would be another text
    text = json.dumps(document, ensure_ascii=narrow, indent=indent)
    click.echo(_UNPRINTABLE.sub(lambda match: json.dumps(match[0])[1:-1], text))


def note(message: str, console: Console | None = None) -> None:
    """Print a line to standard error, or `console`, that the reader may want to act on."""
    (console or err).print(Text(visible(message), style="yellow"), soft_wrap=True)


def complain(message: str, console: Console | None = None) -> None:
    """Print an error to standard error, or `console`."""
    (console or err).print(Text(visible(message), style="red"), soft_wrap=True)


@contextmanager
def terminal() -> Iterator[Console]:
    """Yield a console on the terminal of standard error, or `err` if that is not a terminal.

    It has a file descriptor of its own, because Dagster redirects descriptor 2 to a step's log.
    """
    if not sys.stderr.isatty():
        yield err
        return
    with os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8") as stream:
        yield Console(file=stream, emoji=False)


@contextmanager
def output() -> Iterator[Callable[[str], None]]:
    """Yield a function that prints a line to standard output, also while a step of Dagster runs.

    Dagster redirects descriptor 1 to the step's log, so this one has a descriptor of its own.
    """
    try:
        descriptor = os.dup(sys.stdout.fileno())
    except OSError:  # it is not a file
        yield say
        return
    with os.fdopen(descriptor, "w", encoding="utf-8", buffering=1) as stream:
        yield lambda line: print(visible(line), file=stream)


def explained(error: Exception) -> str:
    """Return an error's message, with the command that helps if there is one."""
    match error:
        case CohortNotPlannedError() if not isinstance(error, UnknownCohortError):
            return f"{error}; run: daydream plan {error.cohort_id}"
        case CohortBusyError():
            return f"{error}, or follow it with: daydream tail {error.cohort_id}"
        case NoCatalogsError():
            return (
                f"{error}\nname the data root with -d or DAYDREAM_DATA_ROOT, or make one: daydream"
                " init FOLDER"
            )
        case StaleAnswerError():
            return f"{error}; to replace it and keep it beside the new one, run with --stale"
        case UnusableAnswerError():
            return f"{error}; --force GEN_ID asks for another"
        case _:
            return str(error)
