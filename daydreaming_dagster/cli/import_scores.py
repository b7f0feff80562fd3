"""`daydream import-scores`."""

import math
from pathlib import Path
from typing import Annotated

import typer

from daydreaming_dagster.application import import_scores as use_case
from daydreaming_dagster.bootstrap import open_data_root, read_score_file
from daydreaming_dagster.cli.console import (
    DEFAULT_DATA_ROOT,
    EXIT_INCOMPLETE,
    DataRootOption,
    complain,
    say,
)
from daydreaming_dagster.formatting import counted


def import_scores(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="A log of inspect_ai (.eval, .json), or results of promptfoo (.json).",
        ),
    ],
    cohort_id: Annotated[str, typer.Argument(metavar="COHORT", help="The new cohort.")],
    data_root: DataRootOption = DEFAULT_DATA_ROOT,
    *,
    scale: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SCORER=WORST:BEST", help="The scale of a scorer, if not 0 to 1; repeatable."
        ),
    ] = None,
) -> None:
    """Store the scores that another tool gave to stored texts, as evaluations in a new cohort.

    A text is found by its gen_id (the id of the sample, or a variable of that name), or by its
    words. `daydream results` ranks by these scores, also together with another cohort's.
    """
    root = open_data_root(data_root)
    scales = dict(map(_read_scale, scale or ()))
    given = read_score_file(file)
    imported = use_case.import_scores(root.store, root.cohorts, cohort_id, given, scales)
    texts, evaluations = len(imported.texts), len(imported.evaluations)
    say(f"cohort {cohort_id}: {counted(evaluations, 'score')} of {counted(texts, 'text')}")
    for line in imported.left:
        complain(line)
    if imported.left:
        complain(f"not imported: {counted(len(imported.left), 'score')}, listed above")
        raise typer.Exit(EXIT_INCOMPLETE)


def _read_scale(text: str) -> tuple[str, tuple[float, float]]:
    scorer, _, ends = text.rpartition("=")
    worst, _, best = ends.partition(":")
    try:
        found = float(worst), float(best)
    except ValueError:
        raise typer.BadParameter(f"--scale {text}: expected SCORER=WORST:BEST") from None
    if not (scorer and found[0] < found[1] and all(map(math.isfinite, found))):
        raise typer.BadParameter(f"--scale {text}: expected SCORER=WORST:BEST")
    return scorer, found
