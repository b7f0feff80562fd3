"""The places of judged texts, as sure as they are. Imports numpy: import it where it is used."""

from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.domain.statistics.analysis import RankedItem, rank_scores
from daydreaming_dagster.domain.statistics.judgments import make_scores

_EQUAL: Final = 1e-12
"""Estimates that differ by less differ by rounding alone."""


@attrs.frozen
class Place:
    """A text's place among others.

    Attributes:
        rank: The place of its estimate, counted from 1; equal estimates share one.
        item: The estimate with its interval, as a share of the scale, the ranks that it may have
            and how probably it is the best.
    """

    rank: int
    item: RankedItem


def place_texts(
    scores: Mapping[GenerationRef, Iterable[tuple[str, float]]],
) -> dict[GenerationRef, Place | None]:
    """Return the place of each text by its judges' scores, in the order of a ranking.

    `scores` are pairs of a judge and a share of the scale, 0 to 1. The best estimate comes first
    (see `rank_scores`), equal ones by stage and gen_id, and texts without a score last, with None.
    """
    by_name = {f"{ref.stage}/{ref.gen_id}": ref for ref in scores}
    rows = [(name, judge, share) for name, ref in by_name.items() for judge, share in scores[ref]]
    placed: dict[GenerationRef, Place | None] = {}
    if rows:
        items, judges, shares = zip(*rows, strict=True)
        found = [
            _within_scale(item) for item in rank_scores(make_scores(items, judges, shares)).items
        ]
        rank, best = 0, 0.0
        ranks: dict[GenerationRef, Place] = {}
        for number, item in enumerate(found, start=1):
            if not ranks or best - item.estimate > _EQUAL:
                rank, best = number, item.estimate
            ranks[by_name[item.item]] = Place(
                rank, attrs.evolve(item, item=by_name[item.item].gen_id)
            )
        placed |= {ref: ranks[ref] for ref in sorted(ranks, key=lambda ref: (ranks[ref].rank, ref))}
    return placed | dict.fromkeys(sorted(scores.keys() - placed.keys()))


def _within_scale(item: RankedItem) -> RankedItem:
    """Return the item with its interval cut at the ends of the scale, where nothing can be."""
    low, high = item.low, item.high
    return attrs.evolve(
        item,
        low=None if low is None else min(max(low, 0.0), 1.0),
        high=None if high is None else min(max(high, 0.0), 1.0),
    )
