"""The report of a loop as one HTML file. It sends no requests and runs no script."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import attrs

from daydreaming_dagster.domain.loop.decisions import Decision
from daydreaming_dagster.domain.loop.gate import HeldBack
from daydreaming_dagster.domain.loop.report import Idea, LoopReport
from daydreaming_dagster.formatting import counted, money
from daydreaming_dagster.report.figure import Figure
from daydreaming_dagster.report.markdown import render_markdown
from daydreaming_dagster.report.parts import make_environment
from daydreaming_dagster.report.standalone import content_security_policy, package_file

_IN_FULL: Final = 10
"""How many ideas are open when the page opens; the others open with a click."""
_LISTED: Final = 50
"""How many rows a table has at most; `daydream status --json` has all."""


def render_loop_page(
    report: LoopReport, figures: Sequence[Figure], ending: str, made_at: datetime
) -> str:
    """Return the report of a loop as HTML; `ending` says why it ended, or what it does next."""
    style = package_file("report.css") + package_file("loop.css")
    environment = make_environment(None)
    environment.filters["money"] = money
    return environment.get_template("loop.html.j2").render(
        report=report,
        title=f"{report.loop_id}: loop report",
        lede=_lede(report),
        ending=f"{ending[:1].upper()}{ending[1:]}",
        ideas=[*map(_shown, report.ideas)],
        in_full=_IN_FULL,
        listed=_LISTED,
        waiting=[*_waiting(report)],
        held=[*_held_back(report)],
        rounds=[*_rounds(report)],
        pair_names=report.pair_names,
        figures=[
            (figure, figure.svg("currentColor") if figure.chart else "") for figure in figures
        ],
        made_at=made_at,
        style=style,
        csp=content_security_policy(style, ""),
    )


@attrs.frozen
class _ShownIdea:
    """An idea with its text as HTML, and the sentences about it."""

    idea: Idea
    html: str | None
    why: str
    how_sure: str


def _shown(idea: Idea) -> _ShownIdea:
    html = None if idea.content is None else render_markdown(idea.content)
    return _ShownIdea(idea, html, _why(idea), _how_sure(idea))


def _lede(report: LoopReport) -> str:
    journal = report.journal
    texts = counted(len([*journal.texts()]), "text")
    if not journal.rounds:
        return "No round has begun yet."
    rounds = counted(len(journal.rounds), "round")
    if not report.ideas:
        return f"Nothing was accepted yet of {texts} in {rounds}."
    return f"{counted(len(report.ideas), 'idea')} accepted of {texts} in {rounds}, the best first."


def _why(idea: Idea) -> str:
    decision, when = idea.decision, f"in round {idea.accepted_in}"
    if decision.rule == "person" or decision.worth is None:
        because = f": {decision.reason}" if decision.reason else ""
        return f"A person accepted it {when}{because}."
    return (
        f"Accepted {when}: it was above {decision.bar:g} with a probability of "
        f"{decision.worth.probability:.0%}, and the loop required {decision.certainty:.0%}."
    )


def _how_sure(idea: Idea) -> str:
    worth = idea.worth
    if worth is None:
        return "There are too few scores to say how good it is."
    scores = ", ".join(f"{score:.2f}" for score in idea.scores)
    return (
        f"Its true score is {worth.mean:.2f} ± {worth.deviation:.2f} (0 to 1), by all scores of "
        f"the loop so far, and above the bar with a probability of {worth.probability:.0%}. Its "
        f"own scores are {scores}."
    )


def _waiting(report: LoopReport) -> Iterator[tuple[Decision, str]]:
    """Yield the decisions on deferred texts, the most probable first, with their pairs."""
    pairs = {text.text_id: report.pair_names(text.pair) for text in report.journal.texts()}
    deferred = [each for each in report.journal.decisions().values() if each.verdict == "defer"]
    deferred.sort(key=lambda each: -1.0 if each.worth is None else each.worth.probability)
    for decision in reversed(deferred):
        yield decision, pairs[decision.text_id]


def _held_back(report: LoopReport) -> Iterator[tuple[int, HeldBack, str]]:
    for each in report.journal.rounds:
        if each.written is not None:
            pairs = {text.text_id: text.pair for text in each.written.texts}
            for held in each.written.held_back:
                yield each.number, held, report.pair_names(pairs[held.text_id])


@attrs.frozen
class _ShownRound:
    number: int
    cohort_id: str
    pairs: int
    texts: int
    held: int
    accepted: int
    deferred: int
    rejected: int
    cost: float | None


def _rounds(report: LoopReport) -> Iterator[_ShownRound]:
    for each in report.journal.rounds:
        decided = each.decided
        verdicts = Counter(one.verdict for one in (decided.decisions if decided else ()))
        yield _ShownRound(
            each.number,
            each.chosen.cohort_id,
            len(each.chosen.choices),
            len(each.written.texts) if each.written else 0,
            len(each.written.held_back) if each.written else 0,
            decided.measures.accepted if decided else 0,
            verdicts["defer"],
            verdicts["reject"],
            decided.measures.cost if decided else None,
        )
