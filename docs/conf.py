"""How the documentation is built: `make docs`."""

import tomllib
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

import click
from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

from daydreaming_dagster.cli.app import app as daydream

ROOT = Path(__file__).parents[1]
_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

project = _PROJECT["name"]
release = _PROJECT["version"]
copyright = "its contributors, under Apache-2.0"  # noqa: A001  as Sphinx has it
html_title = f"{project} {release}"
html_theme = "furo"
html_copy_source = False

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 3

smartquotes_action = "qe"  # quotes and ellipses: a dash of an option stays one

default_role = "py:obj"  # docstrings put names in single backticks
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True}
napoleon_use_ivar = True

# A name of this project that leads nowhere is an error; those of other projects are not here.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!daydreaming_dagster\.|adapters\.).*")]


def _described(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    """Yield the reference of a command and its subcommands as paragraphs of Markdown."""
    context = command.make_context(name, [], parent, resilient_parsing=True)
    level = context.command_path.count(" ") + 1
    yield "# Commands" if parent is None else f"{'#' * level} `{context.command_path}`"
    yield cleandoc(command.help or "")
    usage = " ".join((context.command_path, *command.collect_usage_pieces(context)))
    yield f"```console\n$ {usage}\n```"
    records: dict[str, list[str]] = {"Arguments": [], "Options": []}
    for parameter in command.get_params(context):
        kind = "Arguments" if isinstance(parameter, click.Argument) else "Options"
        name, said = parameter.get_help_record(context) or ("", "")
        records[kind].append(f"- `{name}`: {said}" if said else f"- `{name}`")
    for kind, lines in records.items():
        if lines:
            yield f"**{kind}**"
            yield "\n".join(lines)
    for each in command.list_commands(context) if isinstance(command, click.Group) else ():
        if (subcommand := command.get_command(context, each)) is not None:
            yield from _described(subcommand, each, context)


# The reference of the command line is what the command line says of itself.
_COMMANDS = ROOT / "build" / "commands.md"
_COMMANDS.parent.mkdir(exist_ok=True)
_COMMANDS.write_text("\n\n".join(_described(daydream, "daydream", None)), "utf-8")


def setup(app: Sphinx) -> None:
    """Let signatures be short, and tables in CSV code blocks: Pygments has no lexer for them."""
    app.add_lexer("csv", TextLexer)
    app.connect("autodoc-process-signature", _shorten)


def _shorten(
    _app: Sphinx,
    _what: str,
    _name: str,
    _object: object,
    _options: object,
    signature: str | None,
    returned: str | None,
) -> tuple[str | None, str | None]:
    """Return a signature with the names of types that Python has replaced by what they stand for.

    A protocol has no signature.
    """
    shortened = []
    for text in (signature, returned):
        short = text
        while short is not None and any(long in short for long in _NAMES):
            for long, name in _NAMES.items():
                short = short.replace(long, name)
        shortened.append(short)
    return ("" if signature == "(*args, **kwargs)" else shortened[0]), shortened[1]


_NAMES = {
    "Literal['draft', 'essay', 'evaluation']": "Stage",
    "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None": "JsonValue",
}
