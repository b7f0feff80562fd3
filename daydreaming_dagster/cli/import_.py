"""`daydream import`."""

from pathlib import Path

import click

from daydreaming_dagster.application.import_data_root import import_data_root
from daydreaming_dagster.bootstrap import open_data_root, open_older_data_root
from daydreaming_dagster.cli.console import (
    EXIT_INCOMPLETE,
    complain,
    data_root_option,
    err,
    say,
)
from daydreaming_dagster.formatting import counted


@click.command("import")
@click.argument(
    "folder",
    type=click.Path(path_type=Path),
    help="A data root of zby/DayDreamingDayDreaming; never written.",
)
@data_root_option
def import_(folder: Path, data_root: str) -> None:
    """Import a data root of the older project: its answers count, and none is bought again.

    Ids and metadata stay. Nothing that the data root has is replaced, so the command can be
    repeated after an interruption. What could not be carried over is listed.
    """
    root = open_data_root(data_root)
    older = open_older_data_root(folder, root)
    with err.status("importing"):
        imported = import_data_root(older, root.store, root.cohorts, root.written_files())
    for stage, count in imported.generations.items():
        say(counted(count, stage))
    for kind, cohort_ids in (("members", imported.cohorts), ("specification", imported.specs)):
        for cohort_id in cohort_ids:
            say(f"{kind} of the cohort {cohort_id}")
    for place, reason in imported.left:
        complain(f"{place}: {reason}")
    if imported.left:
        complain(f"not carried over as it was: {counted(len(imported.left), 'item')}, listed above")
        raise click.exceptions.Exit(EXIT_INCOMPLETE)
