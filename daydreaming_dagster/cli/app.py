"""The command line: plan a cohort, run it, inspect its results."""

import errno
import keyword
import sys
from importlib import import_module
from typing import Any, Final

import click

from daydreaming_dagster.cli.console import EXIT_WRONG, complain, explained
from daydreaming_dagster.cli.interruption import EXIT_INTERRUPTED
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


_WIDEST_HELP: Final = 120

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


def commands() -> list[str]:
    """Return the names of the commands in the order of the help."""
    return list(_MODULES)


class _Commands(click.Group):
    """Loads a command when it is asked for: imports are most of what a short command takes."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click passes it
        """Return the names in the order of the help."""
        return commands()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, None if there is none."""
        # A wrong name is compared with those of the commands that are loaded.
        for name in (cmd_name,) if cmd_name in _MODULES else _MODULES:
            if name not in self.commands:
                self.commands[name] = _load(name)
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that is named. Ctrl-C ends it with `EXIT_INTERRUPTED`."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # click would say "Aborted!" and exit with 1
            raise click.exceptions.Exit(EXIT_INTERRUPTED) from None


def _load(name: str) -> click.Command:
    module = import_module(f"daydreaming_dagster.cli.{_MODULES[name]}")
    function = f"{name}_" if keyword.iskeyword(name) else name.replace("-", "_")
    command: click.Command = vars(module)[function]
    subcommands = command.commands.values() if isinstance(command, click.Group) else ()
    for one in (command, *subcommands):
        one.short_help = _first_paragraph(one.help or "")
    return command


def _first_paragraph(text: str) -> str:
    """Return the first paragraph as a line: the terminal breaks lines, and click would cut it."""
    return " ".join(text.partition("\n\n")[0].split())


@click.group(
    cls=_Commands,
    no_args_is_help=True,
    context_settings={"show_default": True, "max_content_width": _WIDEST_HELP},
)
@click.version_option(
    package_name="daydreaming-dagster", message="%(version)s", help="Print the version."
)
def app() -> None:
    """Experiments in which language models daydream: plan a cohort, run it, rank it."""


def main() -> None:
    """Run the command line. Exits with 0, or one of the codes whose names begin with `EXIT`."""
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
