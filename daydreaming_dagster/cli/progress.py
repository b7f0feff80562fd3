"""`daydream status` and `daydream tail`."""

import json
import time
from pathlib import Path
from typing import Annotated

import attrs
import typer
from rich.table import Table

from adapters.cohort_store.catalog_files import read_catalog
from adapters.cohort_store.cohort_files import (
    list_cohorts,
    read_cohort_index,
    read_membership,
)
from adapters.gens_store.filesystem import FilesystemGensStore
from daydreaming_dagster.cli.console import AsJson, CohortId, DataRoot, note, out, pretty
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.domain.cohort.staleness import look_at_cohort
from daydreaming_dagster.formatting import counted


def status(
    cohort_id: Annotated[str | None, typer.Argument(metavar="[COHORT]")] = None,
    data_root: DataRoot = Path("data"),
    *,
    as_json: AsJson = False,
) -> None:
    """Show how far a cohort is, and what is stale and why; without one, list the cohorts."""
    paths = Paths(data_root)
    if cohort_id is None:
        known = list_cohorts(paths)
        if not known:
            note(f"no cohort below {paths.cohorts_dir}; `daydream init` makes a data root")
        typer.echo(pretty(known) if as_json else "\n".join(known))
        return
    members = read_membership(paths, cohort_id)
    store = FilesystemGensStore(data_root)
    seen = read_cohort_index(paths, cohort_id)
    looked = look_at_cohort(store, read_catalog(paths), members, seen)
    stale = looked.stale
    if as_json:
        typer.echo(
            pretty(
                {
                    stage: {**attrs.asdict(state), "stale": stale[stage]}
                    for stage, state in looked.stages.items()
                }
            )
        )
        return
    table = Table("stage", title=f"cohort {cohort_id}")
    for heading in ("planned", "done", "not parsed", "missing", "stale"):
        table.add_column(heading, justify="right")
    for stage, state in looked.stages.items():
        counts = (
            state.planned,
            state.done,
            len(state.unparsed),
            len(state.missing),
            len(stale[stage]),
        )
        table.add_row(stage, *map(str, counts))
    out.print(table)
    for stage, reasons in stale.items():
        for gen_id, reason in reasons.items():
            note(f"stale: {stage}/{gen_id}: {reason}")


def tail(
    cohort_id: CohortId,
    data_root: DataRoot = Path("data"),
    *,
    interval: Annotated[
        float, typer.Option("--interval", min=0.1, help="Seconds between two looks.")
    ] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Follow a cohort that runs elsewhere: a line for each generation that is done or not parsed.

    Ends when all are done, or with Ctrl-C. --json prints an object a line.
    """
    members = read_membership(Paths(data_root), cohort_id)
    store = FilesystemGensStore(data_root)
    index = read_cohort_index(store.paths, cohort_id)
    seen: dict[str, str] | None = None
    while True:
        looked = look_at_cohort(store, None, members, index)
        states, index = looked.stages.values(), looked.index
        now: dict[str, str] = {}
        for state in states:
            for gen_id in members[state.stage]:
                now[f"{state.stage}/{gen_id}"] = "done"
            now |= {f"{state.stage}/{gen_id}": "not parsed" for gen_id in state.unparsed}
            now |= {f"{state.stage}/{gen_id}": "missing" for gen_id in state.missing}
        # What was there before is a count, not news.
        for name, what in now.items() if seen is not None else ():
            if what not in ("missing", (seen or {}).get(name)):
                record = {"generation": name, "state": what}
                typer.echo(json.dumps(record) if as_json else f"{name} {what}")
        if seen is None and not as_json:
            counts = ", ".join(
                f"{state.done:,} of {counted(state.planned, state.stage)}" for state in states
            )
            typer.echo(f"cohort {cohort_id}: {counts} done")
        seen = now
        if not any(state.todo for state in states):
            return
        time.sleep(interval)
