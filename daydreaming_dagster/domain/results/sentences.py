"""What a cohort's judgments say in words. Imports scipy: import it where it is used."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import exp

from daydreaming_dagster.domain.results.places import FittedDuels, Place, Source
from daydreaming_dagster.domain.statistics.analysis import RankedItem
from daydreaming_dagster.domain.statistics.sentences import who_is_best
from daydreaming_dagster.formatting import counted, plural


def say_who_is_best(
    places: Iterable[Place | None],
    judged: str,
    say: Callable[[Sequence[RankedItem], str], str] = who_is_best,
) -> str:
    """Return which texts may be the best, by scores and by duels if no text has both.

    `say` says it of items and what they are called; `how_sure` leaves their names out. Texts that
    are not ranked are counted.
    """
    by_source: dict[Source, list[RankedItem]] = {}
    unranked = 0
    for place in places:
        if place is None:
            unranked += 1
        else:
            by_source.setdefault(place.source, []).append(place.item)
    if not by_source:
        return say([], judged)
    if len(by_source) == 1:
        said = [say(items, judged) for items in by_source.values()]
    else:
        said = [f"By {source}: {say(items, judged)}" for source, items in by_source.items()]
        said.append(f"No {judged} has both, so these two rankings are not comparable.")
    if unranked:
        have = "has" if unranked == 1 else "have"
        said.append(f"{unranked:,} more {have} no score and no rank.")
    return " ".join(said)


def say_of_duels(fitted: FittedDuels | None, judged: str) -> Iterator[str]:
    """Yield what the duels count beside scores, and what their judges prefer."""
    if fitted is None:
        return
    fit, count = fitted.fit, len(fitted.duels.first)
    if fit.score_share is not None:
        yield (
            f"The ranking is one model of scores and {counted(count, 'duel')}: the scores predict"
            f" {fit.score_share:.0%} of how the strengths of {plural(judged)} differ."
        )
    value, error = fit.mean_first
    low, high = exp(value - 1.96 * error), exp(value + 1.96 * error)
    said = f"odds of {exp(value):.2g} (95 %: {low:.2g} to {high:.2g})"
    if low > 1:
        yield f"Judges prefer what is shown first: {said}. The ranking takes that out."
    elif high < 1:
        yield (
            f"Judges prefer what is shown second: {said} for the first. The ranking takes that out."
        )
    else:
        yield f"No preference for what is shown first is certain: {said}."
