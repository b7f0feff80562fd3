"""`daydream demo` and `daydream init`."""

import shutil
from pathlib import Path
from typing import Annotated, Final

import typer

from daydreaming_dagster.cli.console import say
from daydreaming_dagster.cli.plan import plan
from daydreaming_dagster.cli.run import run
from daydreaming_dagster.domain.errors import CatalogError

DEMO_COHORT: Final = "demo"


def demo(
    folder: Annotated[Path, typer.Argument(help="Where to put the example data root.")] = Path(
        "demo_data"
    ),
) -> None:
    """Try it all: copy the examples, plan their cohort and run it with a small local model.

    The model runs on this machine's CPU, without a key. It shows how an experiment goes, not
    what a good model would write: its essays are simple, its scores mean little.
    """
    copy_examples(folder)
    plan(DEMO_COHORT, str(folder))
    run(DEMO_COHORT, str(folder))


def init(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
) -> None:
    """Make a data root with the examples, to be changed into one's own experiment."""
    if (folder / "1_raw").exists():
        raise CatalogError(str(folder), ("the folder is a data root already",))
    copy_examples(folder)
    say(f"{folder} is a data root with the cohort {DEMO_COHORT!r}. Next:")
    say(f"  export DAYDREAM_DATA_ROOT={folder.absolute()}")
    say(f"  daydream plan {DEMO_COHORT} --dry-run   # what it would ask, and cost")
    say(f"  daydream plan {DEMO_COHORT}")
    say(f"  daydream run {DEMO_COHORT}")


def copy_examples(folder: Path) -> None:
    """Make `folder` a data root with the examples, all of them or none, unless it is one."""
    if (folder / "1_raw").is_dir():
        return
    if folder.exists() and any(folder.iterdir()):
        problem = "the folder holds something else; name one that is new or empty"
        raise CatalogError(str(folder), (problem,))
    packaged = Path(__file__).parents[1] / "examples"
    source = packaged if packaged.is_dir() else Path(__file__).parents[2] / "examples/data_root"
    partial = folder.absolute().with_name(f".{folder.absolute().name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial, ignore=shutil.ignore_patterns("__pycache__"))
    partial.replace(folder.absolute())
