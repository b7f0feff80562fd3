"""`daydream status` and `daydream tail` of a loop."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Final

import attrs
from rich.table import Table

from daydreaming_dagster.application.loop_status import LoopStatus, RoundStatus, look_at_loop
from daydreaming_dagster.bootstrap import DataRoot
from daydreaming_dagster.cli.console import note, out, say, say_json
from daydreaming_dagster.cli.loop_lines import entry_lines, held_back_line
from daydreaming_dagster.domain.cohort.progress import say_progress
from daydreaming_dagster.domain.loop.journal import (
    ENTRIES,
    ChoosePairs,
    JudgeTexts,
    Stop,
    WriteTexts,
)
from daydreaming_dagster.formatting import counted, money
from daydreaming_dagster.ports.loop_store import LoopStore

_SHOWN_HELD_BACK: Final = 20


def show_loop_status(root: DataRoot, loops: LoopStore, loop_id: str, *, as_json: bool) -> None:
    """Print how far a loop is, what it does next, and what is stale."""
    looked = look_at_loop(root.store, root.cohorts, loops, loop_id)
    if as_json:
        say_json(_document(looked))
        return
    table = Table("round", title=f"loop {loop_id}")
    for heading in ("texts", "held back", "accepted", "deferred", "rejected", "USD", "stale"):
        table.add_column(heading, justify="right")
    for each in looked.rounds:
        counts = _counts(each)
        del counts["pairs"]  # for a terminal of 80 columns
        table.add_row(*map(_cell, counts.values()))
    out.print(table)
    say(_summary(looked))
    say(_next(looked))
    for line in _unfollowed(looked):
        say(line)
    held = [
        (each.round.number, one)
        for each in looked.rounds
        if each.round.written is not None
        for one in each.round.written.held_back
    ]
    for number, one in held[:_SHOWN_HELD_BACK]:
        say(f"round {number}: {held_back_line(one)}")
    if len(held) > _SHOWN_HELD_BACK:
        more = counted(len(held) - _SHOWN_HELD_BACK, "text")
        note(f"{more} more held back; --json lists all")
    if looked.stale_from is not None:
        stale = counted(sum(each.stale for each in looked.rounds), "answer")
        cohort_id = looked.journal.rounds[looked.stale_from - 1].chosen.cohort_id
        note(
            f"stale from round {looked.stale_from} on: {stale}; `daydream status {cohort_id}` says "
            f"why. What was decided stands, and nothing is asked again; later rounds use what you "
            f"edited. To decide anew, begin a loop with another id and seed"
        )


def tail_loop(
    root: DataRoot, loops: LoopStore, loop_id: str, interval: float, *, as_json: bool
) -> None:
    """Print what a loop records and makes, as it happens, until a rule stops it."""
    said: int | None = None
    progress = ""
    while True:
        looked = look_at_loop(root.store, root.cohorts, loops, loop_id)
        entries = [
            (each.number, name, entry)
            for each in looked.journal.rounds
            for name in ENTRIES
            if (entry := getattr(each, name)) is not None
        ]
        if said is None:  # what was there before is a sum, not news
            if not as_json:
                say(_summary(looked))
        else:
            for number, name, entry in entries[said:]:
                if as_json:
                    say_json({"round": number, "recorded": name}, indent=None)
                else:
                    for line in entry_lines(entry):
                        say(f"round {number}: {line}")
        said = len(entries)
        now = _next(looked)
        if now != progress:
            if as_json:
                say_json({"next": now}, indent=None)
            else:
                say(now)
        progress = now
        if isinstance(looked.step, Stop):
            return
        time.sleep(interval)


def _counts(each: RoundStatus) -> dict[str, int | float | None]:
    """Return the numbers of a round; None are those that are not known yet."""
    written, decided = each.round.written, each.round.decided
    verdicts = Counter(one.verdict for one in decided.decisions) if decided is not None else None
    return {
        "round": each.round.number,
        "pairs": len(each.round.chosen.choices),
        "texts": None if written is None else len(written.texts),
        "held_back": None if written is None else len(written.held_back),
        "accepted": None if verdicts is None else verdicts["accept"],
        "deferred": None if verdicts is None else verdicts["defer"],
        "rejected": None if verdicts is None else verdicts["reject"],
        "cost": each.spent,
        "stale": each.stale,
    }


def _cell(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else money(value)


def _summary(looked: LoopStatus) -> str:
    journal = looked.journal
    held = sum(len(each.written.held_back) for each in journal.rounds if each.written is not None)
    cost = "cost unknown" if looked.spent is None else f"{money(looked.spent)} USD spent"
    return (
        f"loop {looked.loop_id}: {counted(len(journal.decided), 'round')} done, "
        f"{len(journal.accepted())} accepted of {counted(len([*journal.texts()]), 'text')}, "
        f"{held} held back, {cost}"
    )


def _unfollowed(looked: LoopStatus) -> Iterator[str]:
    """Yield what people decided that the loop does not follow yet, and when it will."""
    if looked.unfollowed:
        when = (
            "the loop has stopped; to have them followed, change the rule that stopped it"
            if isinstance(looked.step, Stop)
            else "the next decisions follow them"
        )
        texts = ", ".join(looked.unfollowed[:_SHOWN_HELD_BACK])
        yield f"people decided otherwise about {counted(len(looked.unfollowed), 'text')}: {texts}"
        yield f"  {when}"


def _next(looked: LoopStatus) -> str:
    """Return what the loop does next, and how far it is with it."""
    if looked.problems:
        return f"cannot go on: {'; '.join(looked.problems)}"
    match looked.step:
        case Stop(reason):
            return f"stopped: {reason}"
        case ChoosePairs(number):
            return f"next is round {number}: daydream dream {looked.loop_id}"
        case WriteTexts(begun):
            doing = f"round {begun.number} writes"
        case JudgeTexts(begun, _):
            doing = f"round {begun.number} judges"
    cohort = looked.rounds[-1].cohort
    if cohort is None:
        return f"{doing}: nothing is planned yet"
    return f"{doing}: {say_progress(cohort.stages.values())}"


def _document(looked: LoopStatus) -> dict[str, object]:
    stopped = looked.step.reason if isinstance(looked.step, Stop) else None
    return {
        "loop": looked.loop_id,
        "rounds": [
            {
                **_counts(each),
                "cohort": each.round.chosen.cohort_id,
                "held_back_texts": [
                    attrs.asdict(one)
                    for one in (each.round.written.held_back if each.round.written else ())
                ],
            }
            for each in looked.rounds
        ],
        "accepted": looked.journal.accepted(),
        "cost": looked.spent,
        "next": _next(looked),
        "stopped": stopped,
        "problems": looked.problems,
        "unfollowed": looked.unfollowed,
        "stale_from": looked.stale_from,
    }
