"""The first screen of a report: what won, how sure that is, and what is wrong with the data."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import attrs

from daydreaming_dagster.domain.parsing.response import Score
from daydreaming_dagster.domain.results.evaluations import Evaluation
from daydreaming_dagster.domain.results.naming import Name
from daydreaming_dagster.domain.results.ranking import TextRank
from daydreaming_dagster.domain.results.report import CohortReport
from daydreaming_dagster.domain.results.sentences import say_who_is_best
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.domain.statistics.sentences import how_sure
from daydreaming_dagster.formatting import counted
from daydreaming_dagster.report.index import ReadGeneration
from daydreaming_dagster.report.markdown import first_words

_SHOWN: Final = 3
_FIRST_CHARACTERS: Final = 240
_ENOUGH: Final = 5
"""Fewer equal scores of a judge may be chance."""


@attrs.frozen
class Leader:
    """One of the texts with the best estimates, to be read."""

    rank: TextRank
    name: Name
    begins: str


@attrs.frozen
class Finding:
    """What a reader wants to know first.

    Attributes:
        headline: Which texts may be the best, as a sentence.
        leaders: The first of them.
        flaws: What is wrong with the data: a sentence, and the filter that lists the generations,
            `""` if none does.
    """

    headline: str
    leaders: Sequence[Leader]
    flaws: Sequence[tuple[str, str]]


def find(
    report: CohortReport,
    names: Mapping[GenerationRef, Name],
    read_generation: ReadGeneration,
) -> Finding:
    """Return what comes first in a report."""
    ranked = [rank for rank in report.ranks if rank.place is not None]
    shown = max(1, min(_SHOWN, sum(rank.may_be_best for rank in ranked)))
    leaders = [
        Leader(rank, names[rank.ref], first_words(text, _FIRST_CHARACTERS))
        for rank in ranked[:shown]
        if (text := read_generation(*rank.ref).parsed) is not None
    ]
    places, judged = [rank.place for rank in report.ranks], report.pipeline.judged
    headline = say_who_is_best(places, judged, how_sure) if report.pipeline.ranked else ""
    return Finding(headline, leaders, [*_flaws(report)])


def scores_by_judge(report: CohortReport) -> dict[GenerationRef, dict[str, list[Score]]]:
    """Return who gave which scores to each text; each text has all judges, in the same order."""
    judges = dict.fromkeys(_judge(row, report) for row in report.evaluations)
    given: dict[GenerationRef, dict[str, list[Score]]] = {
        rank.ref: {judge: [] for judge in judges} for rank in report.ranks
    }
    for row in report.evaluations:
        if row.outcome.score is not None:
            given[row.judged][_judge(row, report)].append(row.outcome.score)
    return given


def _judge(row: Evaluation, report: CohortReport) -> str:
    name = f"{row.evaluation.template} by {row.evaluation.llm}"
    return name if len(report.pipeline.scoring) == 1 else f"{row.stage} {name}"


def _flaws(report: CohortReport) -> Iterator[tuple[str, str]]:
    for total in report.stage_totals():
        if total.failed:
            what = "has an answer" if total.failed == 1 else "have answers"
            said = f"{counted(total.failed, total.stage)} {what} that cannot be used."
            yield said, f"failed/{total.stage}"
        if total.missing:
            have = "has" if total.missing == 1 else "have"
            said = f"{counted(total.missing, total.stage)} {have} no answer yet."
            yield said, f"missing/{total.stage}"
        if total.stale:
            are = "is" if total.stale == 1 else "are"
            said = f"{counted(total.stale, total.stage)} {are} stale: the question has changed."
            yield said, f"stale/{total.stage}"
    for judge in report.judge_scores():
        if len(judge.shares) >= _ENOUGH and judge.shares[0] == judge.shares[-1]:
            who = f"The judge {judge.template} by {judge.llm}"
            yield f"{who} gave all its {len(judge.shares):,} scores alike: it tells nothing.", ""
