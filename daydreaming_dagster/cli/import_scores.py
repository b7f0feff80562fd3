"""`daydream import-scores`."""

import math
from pathlib import Path

import click

from daydreaming_dagster.application import import_scores as use_case
from daydreaming_dagster.bootstrap import open_data_root, read_score_file
from daydreaming_dagster.cli.console import (
    EXIT_INCOMPLETE,
    complain,
    data_root_option,
    file_argument,
    new_cohort_argument,
    say,
)
from daydreaming_dagster.formatting import counted


@click.command()
@file_argument("A log of inspect_ai (.eval, .json), or results of promptfoo (.json).")
@new_cohort_argument
@data_root_option
@click.option(
    "--scale",
    multiple=True,
    metavar="SCORER=WORST:BEST",
    help="The scale of a scorer, if not 0 to 1; repeatable.",
)
def import_scores(file: Path, cohort_id: str, data_root: str, *, scale: tuple[str, ...]) -> None:
    """Store the scores that another tool gave to stored texts, as evaluations in a new cohort.

    A text is found by its gen_id (the id of the sample, or a variable of that name), or by its
    words. `daydream results` ranks by these scores, also together with another cohort's.
    """
    root = open_data_root(data_root)
    scales = dict(map(_read_scale, scale))
    given = read_score_file(file)
    imported = use_case.import_scores(root.store, root.cohorts, cohort_id, given, scales)
    texts, evaluations = len(imported.texts), len(imported.evaluations)
    say(f"cohort {cohort_id}: {counted(evaluations, 'score')} of {counted(texts, 'text')}")
    for line in imported.left:
        complain(line)
    if imported.left:
        complain(f"not imported: {counted(len(imported.left), 'score')}, listed above")
        raise click.exceptions.Exit(EXIT_INCOMPLETE)


def _read_scale(text: str) -> tuple[str, tuple[float, float]]:
    scorer, _, ends = text.rpartition("=")
    worst, _, best = ends.partition(":")
    try:
        found = float(worst), float(best)
    except ValueError:
        raise click.BadParameter(f"--scale {text}: expected SCORER=WORST:BEST") from None
    if not (scorer and found[0] < found[1] and all(map(math.isfinite, found))):
        raise click.BadParameter(f"--scale {text}: expected SCORER=WORST:BEST")
    return scorer, found
