"""How the documentation is built: `make docs`."""

import subprocess
import sys
import tomllib
from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

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

default_role = "py:obj"  # docstrings put names in single backticks
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True}
napoleon_use_ivar = True

# A name of this project that leads nowhere is an error; those of other projects are not here.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!daydreaming_dagster\.|adapters\.).*")]

# The reference of the command line is what the command line says of itself.
_COMMANDS = ROOT / "build" / "commands.md"
_COMMANDS.parent.mkdir(exist_ok=True)
_DESCRIBE = ("typer", "daydreaming_dagster.cli.app", "utils", "docs", "--name", "daydream")
subprocess.run(  # noqa: S603  our own module
    [sys.executable, "-m", *_DESCRIBE, "--title", "Commands", "--output", str(_COMMANDS)],
    check=True,
    capture_output=True,
)


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
