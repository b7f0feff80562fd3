"""The command line: plan a cohort, run it, inspect its results."""

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from daydreaming_dagster.cli.analyse import analyse
from daydreaming_dagster.cli.bundle import bundle, verify
from daydreaming_dagster.cli.console import EXIT_WRONG, complain, explained
from daydreaming_dagster.cli.dream import dream
from daydreaming_dagster.cli.examples import demo, init
from daydreaming_dagster.cli.import_ import import_
from daydreaming_dagster.cli.inspect import check, show
from daydreaming_dagster.cli.parse import parse
from daydreaming_dagster.cli.plan import plan
from daydreaming_dagster.cli.progress import status, tail
from daydreaming_dagster.cli.results import report, results
from daydreaming_dagster.cli.run import run
from daydreaming_dagster.cli.settle import settle
from daydreaming_dagster.errors import DaydreamingError

app = typer.Typer(
    help="Experiments in which language models daydream: plan a cohort, run it, rank it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line. Exits with 0, `EXIT_INCOMPLETE`, `EXIT_WRONG`, or typer's 130."""
    try:
        app()
    except DaydreamingError as error:
        complain(f"error: {explained(error)}")
        sys.exit(EXIT_WRONG)


def _print_version(asked: bool) -> None:  # noqa: FBT001  so typer calls it
    if asked:
        typer.echo(version("daydreaming-dagster"))
        raise typer.Exit


@app.callback()
def _before_all(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None: ...


for _command in (
    *(demo, init, plan, run, dream, status, results),
    *(tail, show, check, report, parse, settle),
):
    app.command()(_command)
app.command()(bundle)
app.command()(verify)
app.command(name="import")(import_)
app.add_typer(analyse, name="analyse")
