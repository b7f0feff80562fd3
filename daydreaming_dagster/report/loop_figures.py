"""The figures of a loop's report: how its measures went over the rounds."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final

import altair as alt

from daydreaming_dagster.domain.loop.journal import Decided, Journal
from daydreaming_dagster.domain.loop.measures import RoundMeasures
from daydreaming_dagster.formatting import counted
from daydreaming_dagster.report.figure import MARK, WIDTH, Cell, Figure, records

_MORE: Final = 100
_AHEAD: Final = tuple(range(0, _MORE + 1, 10))
"""The numbers of further texts for which new ideas are extrapolated."""


def make_loop_figures(journal: Journal) -> list[Figure]:
    """Return the figures of a loop, in the order of the page."""
    ends = journal.decided
    figures = [
        _accepted(ends),
        _over_rounds(
            ends,
            "per-dollar",
            "Accepted per US dollar",
            lambda measures: measures.accepted_per_dollar,
            "How many texts a round accepted for each dollar that its answers cost.",
            "The cost is unknown, or zero: llm_models.csv has no prices, or the model is local.",
        ),
        _exhaustion(journal),
        _over_rounds(
            ends,
            "novelty",
            "Novelty of the best texts",
            lambda measures: measures.novelty,
            "One minus the similarity to the nearest text that was there before, over the ten best "
            "texts of a round. 1 means that they share no wording with anything earlier.",
            "No round has a text yet.",
        ),
        _diversity(journal),
        _over_rounds(
            ends,
            "drift",
            "Drift from the seeds",
            lambda measures: measures.drift,
            "One minus the similarity of an accepted text to the nearest seed. It compares "
            "wording, not meaning.",
            "Nothing was accepted yet.",
        ),
    ]
    if any(end.measures.canaries is not None for end in ends):
        figures.append(
            _over_rounds(
                ends,
                "canaries",
                "How far the judges moved",
                lambda measures: None if measures.canaries is None else measures.canaries.moved,
                "How far the mean score of the canaries, texts known to be good or bad, moved "
                "since the first round that judged them, as a share of the scale.",
                "The canaries were judged once, so nothing can have moved.",
            )
        )
    return figures


def _accepted(ends: Sequence[Decided]) -> Figure:
    columns = ("round", "accepted", "all accepted so far", "deferred", "rejected")
    title = "Accepted texts"
    verdicts = [Counter(one.verdict for one in end.decisions) for end in ends]
    total = accumulate(end.measures.accepted for end in ends)
    rows = tuple(
        (number, end.measures.accepted, so_far, of_round["defer"], of_round["reject"])
        for number, (end, so_far, of_round) in enumerate(
            zip(ends, total, verdicts, strict=True), start=1
        )
    )
    if not rows:
        return Figure("accepted", title, "No round is done yet.", columns, ())
    chart = (
        alt.Chart(records(columns, rows))
        .mark_bar(color=MARK, width={"band": 0.6})
        .encode(x=_round(), y=alt.Y("accepted:Q", title="texts", axis=_whole_numbers()))
        .properties(width=WIDTH, height=150)
    )
    described = (
        f"A bar is the number of texts that a round accepted, together "
        f"{rows[-1][2]:,} in {counted(len(rows), 'round')}."
    )
    return Figure("accepted", title, described, columns, rows, chart)


def _over_rounds(  # noqa: PLR0913, PLR0917  what a figure says
    ends: Sequence[Decided],
    name: str,
    title: str,
    measure: Callable[[RoundMeasures], float | None],
    meaning: str,
    nothing: str,
) -> Figure:
    """Return the figure of a measure of each round; `nothing` is said if no round has it."""
    columns = ("round", "value")
    rows = tuple((number, measure(end.measures)) for number, end in enumerate(ends, start=1))
    known = [row for row in rows if row[1] is not None]
    if not known:
        return Figure(name, title, nothing, columns, ())
    chart = (
        alt.Chart(records(columns, known))
        .mark_line(color=MARK, point=alt.OverlayMarkDef(color=MARK, size=60))
        .encode(x=_round(), y=alt.Y("value:Q", title=None, axis=alt.Axis(tickCount=4)))
        .properties(width=WIDTH, height=150)
    )
    return Figure(name, title, f"{meaning} Last: {known[-1][1]:.2f}.", columns, rows, chart)


def _exhaustion(journal: Journal) -> Figure:
    columns = ("texts", "different ideas", "what")
    title = "Are there new ideas left?"
    seen: list[tuple[Cell, ...]] = [
        (end.measures.richness.texts, float(end.measures.richness.seen), "found")
        for end in journal.decided
    ]
    if not seen:
        return Figure("exhaustion", title, "No round is done yet.", columns, ())
    richness = journal.decided[-1].measures.richness
    ahead: list[tuple[Cell, ...]] = [
        (richness.texts + more, richness.seen + richness.expected_new(more), "expected")
        for more in _AHEAD
    ]
    base = alt.Chart().encode(
        x=alt.X("texts:Q", axis=alt.Axis(tickCount=6)),
        y=alt.Y("different ideas:Q", axis=alt.Axis(tickCount=4)),
    )
    chart = alt.layer(
        base.mark_line(color=MARK, point=alt.OverlayMarkDef(color=MARK, size=60)).properties(
            data=records(columns, seen)
        ),
        base.mark_line(color=MARK, strokeDash=[4, 4]).properties(data=records(columns, ahead)),
    ).properties(width=WIDTH, height=170)
    chance = richness.chance_of_new or 0.0
    described = (
        f"{counted(richness.texts, 'text')} express {counted(richness.seen, 'idea')}; "
        f"near-duplicates count as one. The dashed line is an extrapolation: of the next {_MORE} "
        f"texts, at least {richness.expected_new(_MORE):.0f} would be new ideas, and the next one "
        f"is new with an estimated probability of {chance:.0%}."
    )
    return Figure("exhaustion", title, described, columns, (*seen, *ahead[1:]), chart)


def _diversity(journal: Journal) -> Figure:
    columns = ("round", "different texts", "texts")
    title = "Different texts in a round"
    rows = tuple(
        (each.number, each.decided.measures.diversity, len(each.written.texts))
        for each in journal.rounds
        if each.decided is not None and each.written is not None
    )
    if not rows:
        return Figure("diversity", title, "No round is done yet.", columns, ())
    base = alt.Chart(records(columns, rows)).encode(x=_round())
    chart = alt.layer(
        base.mark_tick(color=MARK, thickness=2, width={"band": 0.6}, opacity=0.5).encode(
            y=alt.Y("texts:Q", title="texts", axis=_whole_numbers())
        ),
        base.mark_bar(color=MARK, width={"band": 0.6}).encode(y="different texts:Q"),
    ).properties(width=WIDTH, height=150)
    described = (
        f"The line is the number of texts of a round, the bar how many different ones they are "
        f"worth: if all say the same, that is 1. Last: {rows[-1][1]:.1f} of {rows[-1][2]}."
    )
    return Figure("diversity", title, described, columns, rows, chart)


def _round() -> alt.X:
    return alt.X("round:O", axis=alt.Axis(labelAngle=0, labelOverlap=True))


def _whole_numbers() -> alt.Axis:
    return alt.Axis(tickMinStep=1, tickCount=4, format="d")
