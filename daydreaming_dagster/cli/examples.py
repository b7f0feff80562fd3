"""`daydream demo` and `daydream init`."""

import shlex
import shutil
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import click

from daydreaming_dagster.application.copy_data_root import copy_data_root
from daydreaming_dagster.application.run_cohort import RunOptions
from daydreaming_dagster.bootstrap import open_data_root
from daydreaming_dagster.cli.console import EXIT_INCOMPLETE, refuse_url, say
from daydreaming_dagster.cli.plan import write_plan
from daydreaming_dagster.cli.run import run_and_rank
from daydreaming_dagster.defs.home import write_settings
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.locations import absolute_location, is_url

DEMO_COHORT: Final = "demo"
_PARTIAL_PREFIX: Final = ".daydream-init-"
_ALREADY: Final = "it is a data root already"


@click.command()
@click.argument(
    "folder",
    type=click.Path(path_type=Path),
    default=Path("demo_data"),
    callback=refuse_url,
    help="Folder for the example data root; else demo_data.",
)
def demo(folder: Path) -> None:
    """Try everything: copy the examples, plan their cohort and run it with a small local model.

    The model runs on this machine's CPU, without a key. It shows how an experiment works, not what
    a good model would write: its essays are simple and its scores mean little.
    """
    copy_examples(folder)
    root = open_data_root(absolute_location(folder))
    write_plan(root, DEMO_COHORT)
    if not run_and_rank(root, DEMO_COHORT, RunOptions(), None):
        raise click.exceptions.Exit(EXIT_INCOMPLETE)


@click.command()
@click.argument("location", metavar="FOLDER", help="A new or empty folder, or the URL of a bucket.")
def init(location: str) -> None:
    """Create a data root with the examples, as a start for your own experiment."""
    if not is_url(location):
        if Path(location, "1_raw").exists():
            raise CatalogError(location, (_ALREADY,))
        copy_examples(Path(location))
        write_settings(open_data_root(location).dagster_home)
    else:
        files = open_data_root(location).written_files()
        if files.list_files("1_raw"):
            raise CatalogError(location, (_ALREADY,))
        copy_data_root(open_data_root(_examples()).written_files(), files)
    say(f"{location} is a data root with the cohort {DEMO_COHORT!r}. Next:")
    say(f"  export DAYDREAM_DATA_ROOT={shlex.quote(absolute_location(location))}")
    say(f"  daydream plan {DEMO_COHORT} --dry-run   # how many calls, and what they may cost")
    if find_spec("xllamacpp") is not None:
        say(f"  daydream plan {DEMO_COHORT}")
        say(f"  daydream run {DEMO_COHORT}")
        return
    say(f"The cohort {DEMO_COHORT!r} asks a small model on this machine. To run it, install the")
    say("extra `local`. To ask an endpoint of yours, list its model in 1_raw/llm_models.csv and")
    say(f"write cohorts/NAME/spec/config.yaml, as cohorts/{DEMO_COHORT} has it.")


def copy_examples(folder: Path) -> None:
    """Copy the examples into `folder`, unless it is a data root already.

    Existing files are neither overwritten nor deleted. After an interruption, or if other processes
    do the same at once, a repetition completes the folder. `1_raw`, which makes it a data root, is
    copied last.

    Raises:
        CatalogError: The folder contains something else.
        OSError: The file system refused.
    """
    there = {path.name for path in folder.iterdir()} if folder.exists() else set[str]()
    if (folder / "1_raw").is_dir():  # looked at last: another process may just have ended
        return
    source = _examples()
    examples = {path.name for path in source.iterdir()}
    begun = {name for name in there if name.startswith(_PARTIAL_PREFIX)}
    if there - begun - examples or (there and not begun):
        problem = "the folder holds something else; name one that is new or empty"
        raise CatalogError(str(folder), (problem,))
    folder.mkdir(parents=True, exist_ok=True)
    # Inside the folder, which may be on another file system than its parent.
    with TemporaryDirectory(prefix=_PARTIAL_PREFIX, dir=folder) as partial:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, partial, ignore=ignored, dirs_exist_ok=True)
        for path in sorted(Path(partial).iterdir(), key=lambda path: path.name == "1_raw"):
            try:
                path.rename(folder / path.name)
            except OSError:
                if not (folder / path.name).exists():
                    raise
                # Another process is copying the same examples.


def _examples() -> Path:
    packaged = Path(__file__).parents[1] / "examples"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "examples/data_root"
