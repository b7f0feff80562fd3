"""The command line: plan a cohort, run it, inspect its results."""

import errno
import keyword
import sys
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

from daydreaming_dagster.cli.console import EXIT_WRONG, complain, explained
from daydreaming_dagster.errors import DaydreamingError

_MODULES: Final = {
    "demo": "examples",
    "init": "examples",
    "plan": "plan",
    "run": "run",
    "dream": "dream",
    "status": "progress",
    "results": "results",
    "tail": "progress",
    "show": "inspect",
    "check": "inspect",
    "report": "results",
    "rate": "rate",
    "judges": "judges",
    "parse": "parse",
    "settle": "settle",
    "bundle": "bundle",
    "verify": "bundle",
    "archive": "curate",
    "restore": "curate",
    "delete": "curate",
    "prune": "curate",
    "rejudge": "rejudge",
    "import-scores": "import_scores",
    "export": "export",
    "compare": "export",
    "rename-concept": "rename_concept",
    "import": "import_",
    "copy": "copy",
    "analyse": "analyse",
}
"""The commands in the order of the help, and the module of this package that has each."""


_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


def commands() -> list[str]:
    """Return the names of the commands in the order of the help."""
    return list(_MODULES)


class _Commands(TyperGroup):
    """Loads a command when it is asked for: imports are most of what a short command takes."""

    # Any: typer has no public name for the base of its contexts and commands.
    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  click passes it
        """Return the names in the order of the help."""
        return commands()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of that name, None if there is none."""
        # A wrong name is compared with those of the commands that are loaded.
        for name in (cmd_name,) if cmd_name in _MODULES else _MODULES:
            if name not in self.commands:
                self.commands[name] = _load(name)
        return super().get_command(ctx, cmd_name)


def _load(name: str) -> Any:
    module = import_module(f"daydreaming_dagster.cli.{_MODULES[name]}")
    function = f"{name}_" if keyword.iskeyword(name) else name.replace("-", "_")
    found = vars(module)[function]
    if isinstance(found, typer.Typer):
        command = get_command(found)
        command.name = name
    else:
        alone = typer.Typer(add_completion=False)
        alone.command(name)(found)
        command = get_command(alone)
    for one in (command, *getattr(command, "commands", {}).values()):
        one.help = _with_whole_paragraphs(one.help or "")
    return command


def _with_whole_paragraphs(text: str) -> str:
    """Return a text with a line for each paragraph: the terminal breaks lines where it ends."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


app = typer.Typer(
    cls=_Commands,
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
    except OSError as error:
        if error.filename is None and error.errno not in _FULL:
            raise
        where = "" if error.filename is None else f"cannot read or write {error.filename}: "
        complain(f"error: {where}{error.strerror}")
        sys.exit(EXIT_WRONG)


def _print_version(asked: bool) -> None:  # noqa: FBT001  so typer calls it
    if asked:
        from importlib.metadata import version

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
