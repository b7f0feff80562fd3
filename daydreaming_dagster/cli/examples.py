"""`daydream demo` and `daydream init`."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import typer

from daydreaming_dagster.cli.console import say
from daydreaming_dagster.cli.plan import plan
from daydreaming_dagster.cli.run import run
from daydreaming_dagster.domain.errors import CatalogError

DEMO_COHORT: Final = "demo"
_PARTIAL_PREFIX: Final = ".daydream-init-"


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
    """Make `folder` a data root with the examples, unless it is one.

    Nothing that is there is overwritten or deleted. After an interruption, and with others that do
    the same at once, the folder ends up with all examples; `1_raw`, which makes it a data root,
    comes last.

    Raises:
        CatalogError: The folder holds something else.
        OSError: The file system refused.
    """
    if (folder / "1_raw").is_dir():
        return
    packaged = Path(__file__).parents[1] / "examples"
    source = packaged if packaged.is_dir() else Path(__file__).parents[2] / "examples/data_root"
    examples = {path.name for path in source.iterdir()}
    there = {path.name for path in folder.iterdir()} if folder.exists() else set[str]()
    begun = {name for name in there if name.startswith(_PARTIAL_PREFIX)}
    if there - begun - examples or (there and not begun):
        problem = "the folder holds something else; name one that is new or empty"
        raise CatalogError(str(folder), (problem,))
    folder.mkdir(parents=True, exist_ok=True)
    # Within the folder, which may be a file system of its own.
    with TemporaryDirectory(prefix=_PARTIAL_PREFIX, dir=folder) as partial:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, partial, ignore=ignored, dirs_exist_ok=True)
        for path in sorted(Path(partial).iterdir(), key=lambda path: path.name == "1_raw"):
            try:
                path.rename(folder / path.name)
            except OSError:
                if not (folder / path.name).exists():
                    raise
                # Another process copies the same examples.
