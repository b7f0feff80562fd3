"""`daydream status` and `daydream tail`."""

import time
from collections import Counter
from typing import Annotated

import attrs
import typer
from rich.table import Table

from daydreaming_dagster.application.cohort_status import look
from daydreaming_dagster.bootstrap import open_data_root
from daydreaming_dagster.cli.console import (
    DEFAULT_DATA_ROOT,
    CohortArgument,
    DataRootOption,
    JsonOption,
    note,
    out,
    say,
    say_json,
)
from daydreaming_dagster.cli.grouping import grouped
from daydreaming_dagster.domain.cohort.staleness import CohortState, look_at_cohort
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.formatting import counted


def status(
    cohort_id: Annotated[str | None, typer.Argument(metavar="[COHORT]")] = None,
    data_root: DataRootOption = DEFAULT_DATA_ROOT,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show how far a cohort is, and what is stale and why; without one, list the cohorts."""
    root = open_data_root(data_root)
    if cohort_id is None:
        known = root.cohorts.list_cohorts()
        if not known:
            note(f"no cohort in {root.location}; `daydream init` makes a data root")
        if as_json:
            say_json(known)
        else:
            say("\n".join(known))
        return
    looked = look(root.store, root.cohorts, cohort_id, root.cohorts.read_catalog())
    if as_json:
        say_json(
            {
                stage: {
                    **attrs.asdict(state),
                    "stale": looked.stale[stage],
                    "outdated": looked.outdated[stage],
                    "unknown_finish": looked.unknown_finish[stage],
                }
                for stage, state in looked.stages.items()
            }
        )
        return
    _print_status(cohort_id, looked)


def _print_status(cohort_id: str, looked: CohortState) -> None:
    table = Table("stage", title=f"cohort {cohort_id}")
    for heading in ("planned", "done", "not parsed", "missing", "stale"):
        table.add_column(heading, justify="right")
    for stage, state in looked.stages.items():
        counts = (
            state.planned,
            state.done,
            len(state.unparsed),
            len(state.missing),
            len(looked.stale[stage]),
        )
        table.add_row(stage, *map(str, counts))
    out.print(table)
    for line in grouped(
        (GenerationRef(stage, gen_id), reason)
        for stage, reasons in looked.stale.items()
        for gen_id, reason in reasons.items()
    ):
        note(f"stale: {line}")
    for line in grouped(
        (GenerationRef(stage, gen_id), reason)
        for stage, reasons in looked.outdated.items()
        for gen_id, reason in reasons.items()
    ):
        note(f"to be parsed again, without a call: {line}")
    for stage, finishes in looked.unknown_finish.items():
        for finish, count in Counter(finishes.values()).items():
            ended = f"{counted(count, stage)} ended with finish_reason {finish!r:.60}"
            note(f"{ended}, whose meaning is unknown: see whether the answer is whole")


def tail(
    cohort_id: CohortArgument,
    data_root: DataRootOption = DEFAULT_DATA_ROOT,
    *,
    interval: Annotated[
        float, typer.Option("--interval", min=0.1, help="Seconds between two polls.")
    ] = 1.0,
    as_json: JsonOption = False,
) -> None:
    """Follow a cohort that runs elsewhere: a line for each generation that is done or not parsed.

    Ends when all are done, or with Ctrl-C. --json prints one JSON object per line.
    """
    root = open_data_root(data_root)
    members = root.cohorts.read_membership(cohort_id)
    index, pipeline = root.cohorts.read_index(cohort_id), root.cohorts.read_pipeline()
    seen: dict[str, str] | None = None
    while True:
        looked = look_at_cohort(root.store, None, members, index, pipeline)
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
                if as_json:
                    say_json({"generation": name, "state": what}, indent=None)
                else:
                    say(f"{name} {what}")
        if seen is None and not as_json:
            counts = ", ".join(
                f"{state.done:,} of {counted(state.planned, state.stage)}" for state in states
            )
            say(f"cohort {cohort_id}: {counts} done")
        seen = now
        if not any(state.todo for state in states):
            return
        time.sleep(interval)
