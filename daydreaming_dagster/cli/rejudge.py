"""`daydream rejudge`."""

import csv
from pathlib import Path

import click

from daydreaming_dagster.application.rejudge_texts import NewJudges, rejudge_texts
from daydreaming_dagster.bootstrap import open_data_root
from daydreaming_dagster.cli.console import (
    WholeNumberRange,
    data_root_option,
    file_argument,
    new_cohort_argument,
    say,
)
from daydreaming_dagster.domain.stages import Pipeline
from daydreaming_dagster.formatting import counted, not_utf8


@click.command()
@file_argument("One gen_id per line, or a CSV with a column gen_id or named like a stage.")
@new_cohort_argument
@data_root_option
@click.option(
    "--template",
    multiple=True,
    required=True,
    metavar="TEMPLATE",
    help="A judge's template, or STAGE/TEMPLATE; repeatable.",
)
@click.option(
    "--llm", multiple=True, required=True, metavar="MODEL", help="A judge's model; repeatable."
)
@click.option(
    "--replicates",
    type=WholeNumberRange(min=1),
    default=1,
    help="How often each judge is asked about each text.",
)
def rejudge(
    file: Path,
    cohort_id: str,
    data_root: str,
    *,
    template: tuple[str, ...],
    llm: tuple[str, ...],
    replicates: int,
) -> None:
    """Plan a cohort of texts that are there already, and of new judgments of them.

    Calls no model; `daydream run COHORT` asks the judges. A judgment that is there already is not
    asked for again.
    """
    root = open_data_root(data_root)
    gen_ids = _read_gen_ids(file, root.cohorts.read_pipeline())
    judges = NewJudges(template, llm, replicates)
    recorded = rejudge_texts(root.store, root.cohorts, cohort_id, gen_ids, judges)
    created, planned = recorded.record.created, len(recorded.plan.generations)
    judgments = counted(planned - len(gen_ids), "judgment")
    say(f"cohort {cohort_id}: {counted(len(gen_ids), 'text')}, {judgments} ({created} new)")


def _read_gen_ids(file: Path, pipeline: Pipeline) -> list[str]:
    """Return the gen_ids in a file, each once, in their order."""
    try:
        rows = [row for row in csv.reader(file.read_text("utf-8-sig").splitlines()) if any(row)]
    except UnicodeDecodeError as error:
        raise click.BadParameter(f"{file} is {not_utf8(error)}") from None
    except csv.Error as error:
        raise click.BadParameter(f"{file} is not a list of gen_ids: {error}") from None
    header = [name.strip() for name in rows[0]] if rows else []
    # Of a table of results, the judged texts.
    column = next((n for n in ("gen_id", pipeline.judged, *pipeline) if n in header), None)
    if len(header) > 1 and column is None:
        raise click.BadParameter(f"{file} has no column gen_id, and none named like a stage")
    place, first = (0, 0) if column is None else (header.index(column), 1)
    found = [row[place].strip() for row in rows[first:] if len(row) > place]
    if not any(found):
        raise click.BadParameter(f"{file} names no gen_id")
    return list(dict.fromkeys(filter(None, found)))
