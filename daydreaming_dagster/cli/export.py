"""`daydream export` and `daydream compare`."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, get_args

import attrs
import click
from rich.table import Table

from daydreaming_dagster.application.export_texts import ExportForm, export_texts
from daydreaming_dagster.bootstrap import open_data_root, write_file
from daydreaming_dagster.cli.console import (
    COHORT_HELP,
    cell,
    cohorts_argument,
    data_root_option,
    fresh_option,
    json_option,
    note,
    out,
    output_option,
    say,
    say_json,
    without_option,
)
from daydreaming_dagster.formatting import counted

_NUMBERED: Final = re.compile(r"[0-9]{3,}-")
"""How the files of an export as Markdown begin: with the place in the ranking."""


@click.command()
@cohorts_argument
@data_root_option
@output_option("The folder; else COHORT-texts.", folder=True)
@click.option(
    "--format",
    "form",
    type=click.Choice(get_args(ExportForm)),
    default="csv",
    metavar="FORM",
    help="csv, parquet, markdown, inspect or promptfoo.",
)
@fresh_option
@without_option
def export(
    cohort_ids: tuple[str, ...],
    data_root: str,
    *,
    output: Path | None,
    form: ExportForm,
    fresh: bool,
    without: tuple[str, ...],
) -> None:
    """Write the judged texts of a cohort in the order of the ranking, with the texts themselves.

    CSV and Parquet are one table, with place, axes, the mean score of each judge, and what a text
    was made from. Markdown is a folder with a file per text. inspect and promptfoo are results as
    these tools read them.
    """
    root = open_data_root(data_root)
    files = export_texts(
        root.store,
        root.cohorts,
        cohort_ids,
        form,
        datetime.now(UTC),
        fresh=fresh,
        without=without,
    )
    folder = Path(f"{cohort_ids[0]}-texts") if output is None else output
    others = {one.name for one in folder.glob("*.md") if _NUMBERED.match(one.name)} - files.keys()
    if form == "markdown" and others:
        problem = f"{folder} has {min(others)} of another export; name another folder, or delete it"
        raise click.BadParameter(problem)
    for name, data in files.items():
        write_file(folder / name, data)
    say(f"{folder}: {counted(len(files), 'file')}")


@click.command()
@click.argument("first", metavar="COHORT", help=COHORT_HELP)
@click.argument("second", metavar="COHORT", help=COHORT_HELP)
@data_root_option
@fresh_option
@without_option
@json_option
def compare(
    first: str, second: str, data_root: str, *, fresh: bool, without: tuple[str, ...], as_json: bool
) -> None:
    """Show in what two cohorts differ, and how much better the scores of the first are.

    Scores of one combination, or of the same texts, are paired. What both have tells nothing apart.
    """
    from daydreaming_dagster.application.compare_cohorts import compare_cohorts  # numpy is slow

    root = open_data_root(data_root)
    compared = compare_cohorts(
        root.store, root.cohorts, first, second, fresh=fresh, without=without
    )
    if as_json:
        say_json(attrs.asdict(compared))
        return
    for judge in compared.without:
        say(f"left out: {judge}")
    for one in compared.differences:
        say(str(one))
    if not compared.differences:
        say("their specifications and inputs are the same")
    table = Table("cohort", title="scores as shares of their scale, 1.00 is the best")
    for heading in ("texts", "scores", "missing", "mean"):
        table.add_column(heading, justify="right")
    for summary in compared.summaries:
        mean = "-" if summary.mean is None else f"{summary.mean:.2f}"
        counts = map(str, (summary.texts, summary.scores, summary.missing))
        table.add_row(cell(summary.cohort_id), *counts, mean)
    out.print(table)
    shared = counted(compared.shared_texts, "text")
    say(f"both have {shared} and {counted(compared.shared_scores, 'score')} of them in common")
    difference = compared.difference
    if difference.estimate is not None:
        interval = (
            ""
            if difference.low is None or difference.high is None
            else f" (95 %: {_signed(difference.low)} to {_signed(difference.high)})"
        )
        pairs = counted(difference.pairs, difference.paired_by)
        of = f"{first} minus {second}: {_signed(difference.estimate)}{interval}"
        say(f"{of}; {pairs} of both paired")
    for remark in difference.remarks:
        note(f"note: {remark}")


def _signed(number: float) -> str:
    return f"{round(number, 2) + 0.0:+.2f}"  # without a minus before zero
