"""The places of judged texts, as sure as they are. Imports numpy: import it where it is used."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

import attrs
from scipy.special import expit

from daydreaming_dagster.domain.results.verdicts import Duel, verdicts
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.domain.statistics.analysis import RankedItem, rank_duels, rank_scores
from daydreaming_dagster.domain.statistics.bradley_terry import DuelFit, fit_duels
from daydreaming_dagster.domain.statistics.judgments import (
    Duels,
    Scores,
    code,
    make_duels,
    make_scores,
)
from daydreaming_dagster.domain.statistics.score_evidence import make_evidence

_EQUAL: Final = 1e-12
"""Estimates that differ by less differ by rounding alone."""

Source = Literal["scores", "duels", "scores and duels"]
"""What an estimate is made from."""

SharesByText = Mapping[GenerationRef, Iterable[tuple[str, float]]]
"""What judges gave each text: pairs of a judge and a share of the scale, 0 to 1."""


@attrs.frozen
class Place:
    """A text's place among others.

    Attributes:
        rank: The place of its estimate, counted from 1; equal estimates share one.
        item: The estimate with its interval, the ranks that it may have and how probably it is the
            best. From scores alone, the estimate is a share of their scale. With duels, it is the
            probability that the text wins a duel with the average one, ties and position aside.
        source: What the estimate is made from. Texts of different sources are not compared.
        strength: With duels, the log odds of that probability.
    """

    rank: int
    item: RankedItem
    source: Source = "scores"
    strength: float | None = None


@attrs.frozen
class FittedDuels:
    """The duels of a cohort, and the model behind the places that they give."""

    duels: Duels
    fit: DuelFit


@attrs.frozen
class Placing:
    """The places of all texts in the order of the ranking, and the model of the duels."""

    places: Mapping[GenerationRef, Place | None]
    fitted: FittedDuels | None


def place_texts(scores: SharesByText, duels: Iterable[Duel] = ()) -> Placing:
    """Return the place of each text by its judges' scores and duels.

    The best estimate comes first, equal ones by stage and gen_id, and texts that nobody judged
    last, with None. If a text has both scores and duels, one model is made from all
    (`make_evidence`). Otherwise texts with scores come before those with duels.
    """
    names = {ref: f"{ref.stage}/{ref.gen_id}" for ref in scores}
    fought = verdicts(duels)
    names |= {ref: f"{ref.stage}/{ref.gen_id}" for duel in fought for ref in duel.texts}
    refs = {name: ref for ref, name in names.items()}
    rows = [(names[ref], judge, share) for ref in scores for judge, share in scores[ref]]
    items, judges, shares = zip(*rows, strict=True) if rows else ((), (), ())
    given = make_scores(items, judges, shares) if rows else None
    found = _duels(fought, names)
    ranked: list[tuple[GenerationRef, Place]] = []
    fitted = None
    both = bool(given and found and set(given.item.names) & set(found.items))
    if given is not None and not both:
        ranked += _placed(rank_scores(given).items, refs, "scores", _within_scale)
    if found is not None:
        fitted = _fitted(found, given if both else None)
        of_duels = rank_duels(fitted.duels, fitted.fit)
        ranked += _placed(of_duels, refs, "scores and duels" if both else "duels", _against_average)
    placed = dict[GenerationRef, Place | None](ranked)
    unjudged = dict.fromkeys(sorted(names.keys() - placed.keys()))
    return Placing(placed | unjudged, fitted)


def _duels(fought: Sequence[Duel], names: Mapping[GenerationRef, str]) -> Duels | None:
    if not fought:
        return None
    return make_duels(
        [names[duel.first] for duel in fought],
        [names[duel.second] for duel in fought],
        [duel.first_wins for duel in fought],
        [duel.judge for duel in fought],
    )


def _fitted(duels: Duels, scores: Scores | None) -> FittedDuels:
    if scores is None:
        return FittedDuels(duels, fit_duels(duels))
    items = code([*duels.items, *scores.item.names]).names
    duels = attrs.evolve(duels, items=items)
    return FittedDuels(duels, fit_duels(duels, make_evidence(items, scores)))


def _placed(
    items: Iterable[RankedItem],
    refs: Mapping[str, GenerationRef],
    source: Source,
    shown: Callable[[RankedItem], RankedItem],
) -> Iterator[tuple[GenerationRef, Place]]:
    """Yield the places of items that are in the order of their estimates."""
    rank, best = 0, 0.0
    places: list[tuple[GenerationRef, Place]] = []
    for number, item in enumerate(items, start=1):
        if not places or best - item.estimate > _EQUAL:
            rank, best = number, item.estimate
        ref = refs[item.item]
        strength = None if source == "scores" else item.estimate
        named = attrs.evolve(shown(item), item=ref.gen_id)
        places.append((ref, Place(rank, named, source, strength)))
    yield from sorted(places, key=lambda place: (place[1].rank, place[0]))


def _within_scale(item: RankedItem) -> RankedItem:
    """Return the item with all values cut at the ends of the scale, where nothing can be.

    An estimate can be beyond if judges' strictness, or their scales, are taken out of the best
    score.
    """
    low, high = item.low, item.high
    return attrs.evolve(
        item,
        estimate=min(max(item.estimate, 0.0), 1.0),
        low=None if low is None else min(max(low, 0.0), 1.0),
        high=None if high is None else min(max(high, 0.0), 1.0),
    )


def _against_average(item: RankedItem) -> RankedItem:
    """Return the item with its log odds as the probability that it beats the average one."""
    low, high = item.low, item.high
    return attrs.evolve(
        item,
        estimate=float(expit(item.estimate)),
        low=None if low is None else float(expit(low)),
        high=None if high is None else float(expit(high)),
    )
