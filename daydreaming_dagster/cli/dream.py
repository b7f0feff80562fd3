"""`daydream dream`."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Self

import attrs
import click
from rich.console import Console

from daydreaming_dagster.application.dream_loop import Dream, DreamOptions
from daydreaming_dagster.application.loop_estimate import estimate_round
from daydreaming_dagster.application.run_listener import RunPlan
from daydreaming_dagster.bootstrap import DataRoot, dagster_home, key_prefix, open_data_root
from daydreaming_dagster.cli.console import (
    EXIT_INCOMPLETE,
    WholeNumberRange,
    complain,
    concurrency_option,
    data_root_option,
    max_cost_option,
    note,
    output,
    say,
    terminal,
)
from daydreaming_dagster.cli.grouping import failure_lines
from daydreaming_dagster.cli.interruption import loading, stopped_by_signals
from daydreaming_dagster.cli.loop_lines import entry_lines
from daydreaming_dagster.cli.monitor import RunMonitor, expected_calls
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.domain.generation.generated import Generated
from daydreaming_dagster.domain.loop.journal import Entry, Stop
from daydreaming_dagster.formatting import counted
from daydreaming_dagster.locations import absolute_location
from daydreaming_dagster.ports.language_model import Wait


@click.command()
@click.argument("loop_id", metavar="LOOP", help="Folder below loops/.")
@data_root_option
@concurrency_option
@click.option(
    "--rounds", type=WholeNumberRange(min=1), help="Finish at most this many rounds, then end."
)
@max_cost_option
@click.option("--dry-run", is_flag=True, help="Say what the next round may cost; call no model.")
@click.option(
    "--allow-missing",
    is_flag=True,
    help="Go on though a description is missing (another one, or the name, stands in),"
    " or a template uses none of its variables.",
)
def dream(
    loop_id: str,
    data_root: str,
    concurrency: int | None,
    *,
    rounds: int | None,
    max_cost: float | None,
    dry_run: bool,
    allow_missing: bool,
) -> None:
    """Combine pairs of concepts, judge what comes of them, and combine what was accepted again.

    Each round is a cohort LOOP-0001, LOOP-0002, …. Without --rounds, the loop goes on until a rule
    in its specification stops it. After an interruption, run the command again: it goes on where it
    was, with the same choices. Ctrl-C and SIGTERM wait for the answers in flight.
    """
    root = open_data_root(absolute_location(data_root))
    if dry_run:
        _say_cost(root, loop_id, allow_missing=allow_missing)
        return
    options = DreamOptions(rounds, max_cost, allow_missing)
    if not _dream(root, loop_id, options, concurrency):
        complain("a round is not finished; the same command goes on with it")
        raise click.exceptions.Exit(EXIT_INCOMPLETE)


def _say_cost(root: DataRoot, loop_id: str, *, allow_missing: bool) -> None:
    estimate = estimate_round(
        root.store, root.cohorts, root.kept_loops(), loop_id, allow_missing=allow_missing
    )
    if isinstance(estimate, Stop):
        say(f"no further round: {estimate.reason}")
    else:
        say(f"the next round: {expected_calls(estimate)}")


def _dream(root: DataRoot, loop_id: str, options: DreamOptions, concurrency: int | None) -> bool:
    """Make rounds in Dagster, and return whether none is left unfinished."""
    # Importing Dagster takes a second, and other commands do not need it.
    with loading():
        from daydreaming_dagster.defs.home import EventLogError
        from daydreaming_dagster.defs.launch import materialize_dream_rounds, open_instance
        from daydreaming_dagster.defs.resources import RunResources

    root.kept_loops().read_spec(loop_id)  # reports a wrong name before Dagster starts
    catalog, prefix = root.cohorts.read_catalog(), key_prefix()
    token = CancellationToken()
    used = RunResources(root, concurrency, token, catalog=catalog)
    with (
        terminal() as console,
        output() as tell,
        stopped_by_signals(token, console),
        _DreamMonitor(console, tell) as monitor,
        open_instance(dagster_home(root)) as instance,
        # Dagster installs signal handlers in the main thread, so it runs in another one.
        ThreadPoolExecutor(max_workers=1) as thread,
    ):
        used.listener = monitor
        running = thread.submit(
            materialize_dream_rounds,
            instance,
            used,
            loop_id,
            options,
            catalog.pipeline,
            key_prefix=prefix,
        )
        try:
            done = running.result()
        except EventLogError as error:
            complain(f"error: {error}")
            done = False
    if monitor.dream is not None:
        say(f"{counted(monitor.dream.finished, 'round')} finished; {monitor.dream.reason}")
    return done


@attrs.define
class _DreamMonitor:
    """Shows each run of a round with bars, and prints what is recorded."""

    console: Console
    tell: Callable[[str], None]
    dream: Dream | None = attrs.field(default=None, init=False)
    _run: RunMonitor | None = None
    _bars: ExitStack = attrs.field(factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._end_run()

    def begin(self, plan: RunPlan) -> None:
        self._end_run()
        self._run = self._bars.enter_context(RunMonitor(self.console))
        self._run.begin(plan)

    def note(self, finished: Sequence[Generated], budget: Budget) -> None:
        if self._run is not None:
            self._run.note(finished, budget)

    def waiting(self, waits: Sequence[Wait]) -> None:
        if self._run is not None:
            self._run.waiting(waits)

    def set_aside(self, reason: str) -> None:
        complain(reason)

    def remark(self, notice: str) -> None:
        note(notice)

    def record(self, number: int, entry: Entry) -> None:
        self._end_run()
        for line in entry_lines(entry):
            self.tell(f"round {number}: {line}")

    def end(self, dream: Dream) -> None:
        self.dream = dream

    def _end_run(self) -> None:
        self._bars.close()
        for line in failure_lines(() if self._run is None else self._run.failed):
            complain(line)
        self._run = None
