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
autodoc_default_options = {"members": True}
napoleon_use_ivar = True

# A name of this project that leads nowhere is an error; those of other projects are not here.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!daydreaming_dagster\.|adapters\.).*")]

# The reference of the command line is what the command line says of itself.
_COMMANDS = ROOT / "build" / "commands.md"
_COMMANDS.parent.mkdir(exist_ok=True)
_DESCRIBE = ("typer", "daydreaming_dagster.cli", "utils", "docs", "--name", "daydream")
subprocess.run(  # noqa: S603  our own module
    [sys.executable, "-m", *_DESCRIBE, "--title", "Commands", "--output", str(_COMMANDS)],
    check=True,
    capture_output=True,
)


def setup(app: Sphinx) -> None:
    """Let tables in CSV be code blocks: Pygments has no lexer for them."""
    app.add_lexer("csv", TextLexer)
