"""`daydream dream`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Annotated, Final, Self

import attrs
import typer
from rich.console import Console

from daydreaming_dagster.application.dream_loop import DreamOptions, dream_loop
from daydreaming_dagster.application.run_listener import RunPlan
from daydreaming_dagster.bootstrap import SetupError, compose_language_model, open_data_root
from daydreaming_dagster.cli.console import (
    DEFAULT_DATA_ROOT,
    EXIT_INCOMPLETE,
    DataRootOption,
    complain,
    explained,
    say,
    terminal,
)
from daydreaming_dagster.cli.grouping import grouped
from daydreaming_dagster.cli.monitor import RunMonitor
from daydreaming_dagster.cli.run import ConcurrencyOption, stopped_by_signals
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.domain.generation.generated import Generated
from daydreaming_dagster.domain.loop.decisions import Decision
from daydreaming_dagster.domain.loop.journal import Chosen, Decided, Entry, Written
from daydreaming_dagster.domain.loop.measures import RoundMeasures
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.formatting import counted, money
from daydreaming_dagster.ports.language_model import Wait

_SHOWN_DIGITS: Final = 12
_MORE_TEXTS: Final = 100


def dream(
    loop_id: Annotated[str, typer.Argument(metavar="LOOP", help="Folder below loops/.")],
    data_root: DataRootOption = DEFAULT_DATA_ROOT,
    concurrency: ConcurrencyOption = None,
    *,
    rounds: Annotated[
        int | None,
        typer.Option("--rounds", min=1, help="Finish at most this many rounds, then end."),
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option("--max-cost", min=0, help="Spend at most this much, in USD.")
    ] = None,
    allow_missing: Annotated[
        bool,
        typer.Option(
            "--allow-missing",
            help="Go on though a description is missing (another one, or the name, stands in),"
            " or a template uses none of its variables.",
        ),
    ] = False,
) -> None:
    """Combine pairs of concepts, judge what comes of them, and combine what was accepted again.

    Each round is a cohort LOOP-0001, LOOP-0002, …. Without --rounds, the loop goes on until a rule
    in its specification stops it. After an interruption, run the command again: it goes on where it
    was, with the same choices. Ctrl-C and SIGTERM wait for the answers in flight.
    """
    root = open_data_root(data_root)
    if root.loops is None:
        raise SetupError(f"the data root {root.location} cannot keep loops; use a folder")
    token = CancellationToken()
    model = compose_language_model(root.cohorts.read_catalog(), concurrency)
    with (
        terminal() as console,
        stopped_by_signals(token, console),
        _DreamMonitor(console) as monitor,
    ):
        dreamt = dream_loop(
            root.store,
            root.cohorts,
            root.loops,
            model,
            loop_id,
            options=DreamOptions(rounds, max_cost, allow_missing),
            token=token,
            listener=monitor,
        )
    say(f"{counted(dreamt.finished, 'round')} finished; {dreamt.reason}")
    if dreamt.interrupted:
        complain("a round is not finished; the same command goes on with it")
        raise typer.Exit(EXIT_INCOMPLETE)


@attrs.define
class _DreamMonitor:
    """Shows each run of a round with bars, and prints what is recorded."""

    console: Console
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

    def record(self, number: int, entry: Entry) -> None:
        self._end_run()
        for line in _lines(entry):
            say(f"round {number}: {line}")

    def _end_run(self) -> None:
        self._bars.close()
        failed = () if self._run is None else self._run.failed
        for line in grouped(
            (GenerationRef(each.stage, each.gen_id), explained(each.error))
            for each in failed
            if each.error is not None
        ):
            complain(line)
        self._run = None


def _lines(entry: Entry) -> Iterator[str]:
    match entry:
        case Chosen():
            reasons = Counter(choice.reason for choice in entry.choices)
            shares = ", ".join(f"{count} by {reason}" for reason, count in reasons.items())
            yield f"{counted(len(entry.choices), 'pair')} of {entry.concepts:,} concepts ({shares})"
        case Written():
            for held in entry.held_back:
                near = f"{held.neighbour.similarity:.2f} like {held.neighbour.text_id}"
                yield f"held back {held.text_id}: {near}, more than {held.threshold:.2f}"
            yield (
                f"{counted(len(entry.texts), 'text')}, {len(entry.held_back)} held back before a "
                f"judge was asked"
            )
        case Decided():
            yield from map(_decision, entry.decisions)
            yield _measures(entry.measures)


def _decision(decision: Decision) -> str:
    """Return a decision as a line: verdict, rule, numbers, and the digest of the text."""
    worth = decision.worth
    numbers = (
        "no scores"
        if worth is None
        else f"{worth.mean:.2f} ± {worth.deviation:.2f} of {counted(worth.judgements, 'score')}, "
        f"P(>{decision.bar:g}) = {worth.probability:.2f}"
    )
    return (
        f"{decision.verdict} {decision.text_id}: {decision.rule}; {numbers}; certainty "
        f"{decision.certainty:g}; sha256 {decision.digest[:_SHOWN_DIGITS]}"
    )


def _measures(measures: RoundMeasures) -> str:
    richness = measures.richness
    parts = [f"{measures.accepted} accepted"]
    if measures.cost is not None:
        parts.append(f"{money(measures.cost)} USD")
    if measures.accepted_per_dollar is not None:
        parts.append(f"{measures.accepted_per_dollar:.1f} accepted per USD")
    if measures.novelty is not None:
        parts.append(f"novelty {measures.novelty:.2f}")
    parts.append(f"worth {measures.diversity:.1f} different texts")
    parts.append(f"{richness.seen} ideas so far")
    if richness.chance_of_new is not None:
        more = richness.expected_new(_MORE_TEXTS)
        parts.append(f"of {_MORE_TEXTS} more texts about {more:.0f} would be new ideas")
    if measures.drift is not None:
        parts.append(f"drift {measures.drift:.2f}")
    return ", ".join(parts)
