"""`daydream rejudge`."""

import csv
from pathlib import Path
from typing import Annotated

import typer

from daydreaming_dagster.application.rejudge_texts import NewJudges, rejudge_texts
from daydreaming_dagster.bootstrap import open_data_root
from daydreaming_dagster.cli.console import DEFAULT_DATA_ROOT, DataRootOption, say
from daydreaming_dagster.domain.stages import Pipeline
from daydreaming_dagster.formatting import counted, not_utf8


def rejudge(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="One gen_id per line, or a CSV with a column gen_id or named like a stage.",
        ),
    ],
    cohort_id: Annotated[str, typer.Argument(metavar="COHORT", help="The new cohort.")],
    data_root: DataRootOption = DEFAULT_DATA_ROOT,
    *,
    template: Annotated[
        list[str],
        typer.Option(metavar="TEMPLATE", help="A judge's template, or STAGE/TEMPLATE; repeatable."),
    ],
    llm: Annotated[
        list[str], typer.Option("--llm", metavar="MODEL", help="A judge's model; repeatable.")
    ],
    replicates: Annotated[
        int, typer.Option(min=1, help="How often each judge is asked about each text.")
    ] = 1,
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
        raise typer.BadParameter(f"{file} is {not_utf8(error)}") from None
    except csv.Error as error:
        raise typer.BadParameter(f"{file} is not a list of gen_ids: {error}") from None
    header = [name.strip() for name in rows[0]] if rows else []
    # Of a table of results, the judged texts.
    column = next((n for n in ("gen_id", pipeline.judged, *pipeline) if n in header), None)
    if len(header) > 1 and column is None:
        raise typer.BadParameter(f"{file} has no column gen_id, and none named like a stage")
    place, first = (0, 0) if column is None else (header.index(column), 1)
    found = [row[place].strip() for row in rows[first:] if len(row) > place]
    if not any(found):
        raise typer.BadParameter(f"{file} names no gen_id")
    return list(dict.fromkeys(filter(None, found)))
