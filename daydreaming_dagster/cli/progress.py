"""`daydream status` and `daydream tail`."""

import time
from collections import Counter
from typing import TYPE_CHECKING

import attrs
import click
from rich.table import Table

from daydreaming_dagster.application.batch_status import waiting_of_cohort
from daydreaming_dagster.application.cohort_status import look
from daydreaming_dagster.bootstrap import open_data_root
from daydreaming_dagster.cli.console import (
    NumberRange,
    cohort_or_loop_argument,
    data_root_option,
    json_option,
    note,
    out,
    say,
    say_json,
)
from daydreaming_dagster.cli.grouping import doubtful, grouped
from daydreaming_dagster.cli.names import loops_of
from daydreaming_dagster.cli.unusable_templates import note_unusable_templates
from daydreaming_dagster.domain.cohort.progress import say_progress
from daydreaming_dagster.domain.cohort.staleness import CohortState, look_at_cohort
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.formatting import counted

if TYPE_CHECKING:  # most data roots have no batches
    from daydreaming_dagster.domain.batch.record import BatchRecord


@click.command()
@click.argument("name", required=False, metavar="[COHORT|LOOP]")
@data_root_option
@json_option
def status(name: str | None, data_root: str, *, as_json: bool) -> None:
    """Show how far a cohort or a loop is, and what is stale; without a name, list them."""
    root = open_data_root(data_root)
    if name is None:
        cohorts = {*root.cohorts.list_cohorts(), *root.cohorts.list_planned_cohorts()}
        known = [*sorted(cohorts), *(root.loops.list_loops() if root.loops else ())]
        if not known:
            note(f"no cohort in {root.location}; `daydream init` makes a data root")
        if as_json:
            say_json(known)
        else:
            for one in known:
                say(one)
        return
    if (loops := loops_of(root, name)) is not None:
        from daydreaming_dagster.cli.loops import show_loop_status  # loads all about loops

        show_loop_status(root, loops, name, as_json=as_json)
        return
    catalog = root.cohorts.read_catalog()
    looked = look(root.store, root.cohorts, name, catalog)
    waiting = waiting_of_cohort(root.batches, looked)
    if as_json:
        say_json(
            {
                stage: {
                    **attrs.asdict(state),
                    "stale": looked.stale[stage],
                    "outdated": looked.outdated[stage],
                    "unknown_finish": looked.unknown_finish[stage],
                    "doubtful": looked.doubts[stage],
                    "waiting": {
                        ref.gen_id: progress_of(record)
                        for ref, record in waiting.items()
                        if ref.stage == stage
                    },
                }
                for stage, state in looked.stages.items()
            }
        )
        return
    _print_status(name, looked)
    note_unusable_templates(root, name, catalog)
    for batch, number in Counter(map(progress_of, waiting.values())).items():
        note(f"waiting for an answer: {counted(number, 'generation')} in {batch}")


def progress_of(record: "BatchRecord") -> str:
    """Return which batch it is, since when, and what the last run that looked at it saw."""
    asked = len(record.questions)
    return f"{record} ({record.status}, {record.answered:,} of {asked:,} answered when last seen)"


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
    for line in doubtful(looked.doubts):
        note(line)


@click.command()
@cohort_or_loop_argument
@data_root_option
@click.option(
    "--interval", type=NumberRange(min=0.1), default=1.0, help="Seconds between two polls."
)
@json_option
def tail(name: str, data_root: str, *, interval: float, as_json: bool) -> None:
    """Follow a cohort that runs elsewhere: a line for each generation that is done or not parsed.

    Ends when all are done, or with Ctrl-C. Of a loop, it prints what is recorded, and ends when a
    rule stops the loop. --json prints one JSON object per line.
    """
    root = open_data_root(data_root)
    if (loops := loops_of(root, name)) is not None:
        from daydreaming_dagster.cli.loops import tail_loop  # loads all about loops

        tail_loop(root, loops, name, interval, as_json=as_json)
        return
    members = root.cohorts.read_membership(name)
    index, pipeline = root.cohorts.read_index(name), root.cohorts.read_pipeline()
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
        for generation, what in now.items() if seen is not None else ():
            if what not in ("missing", (seen or {}).get(generation)):
                if as_json:
                    say_json({"generation": generation, "state": what}, indent=None)
                else:
                    say(f"{generation} {what}")
        if seen is None and not as_json:
            say(f"cohort {name}: {say_progress(states)}")
        seen = now
        if not any(state.todo for state in states):
            return
        time.sleep(interval)
