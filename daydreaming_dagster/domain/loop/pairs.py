"""Pairs of concepts, found without listing all of them: 100,000 concepts have 5 billion."""

import heapq
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations
from math import comb
from typing import Final

Pair = tuple[str, str]
"""Two concept_ids, in sorted order."""

PAIR: Final = 2
"""The number of concepts that are combined."""


def make_pair(one: str, other: str) -> Pair:
    """Return the pair of two concepts."""
    return (one, other) if one < other else (other, one)


def random_pairs(
    concept_ids: Sequence[str], excluded: Collection[Pair], rng: random.Random
) -> Iterator[Pair]:
    """Yield the pairs that are not excluded, each once, in uniformly random order.

    The time and memory for `n` pairs grow with `n` and the number of excluded pairs alone.
    `excluded` must be a set of pairs of these concepts.
    """
    seen = set(excluded)
    total = comb(len(concept_ids), PAIR)
    # While most pairs are left, a random one is most likely one of them.
    while len(seen) < total / 2:
        pair = make_pair(*rng.sample(concept_ids, PAIR))
        if pair not in seen:
            seen.add(pair)
            yield pair
    left = [pair for pair in combinations(sorted(concept_ids), PAIR) if pair not in seen]
    rng.shuffle(left)
    yield from left


def best_pairs(values: Mapping[str, float]) -> Iterator[Pair]:
    """Yield the pairs of these concepts by the sum of their values, the largest sum first.

    Each pair of ranks follows from one that is at least as good: (p, q) from (p, q - 1), and
    (p, p + 1) from (p - 1, p). So a heap holds fewer pairs than were yielded.
    """
    ranked = sorted(values, key=values.__getitem__, reverse=True)
    if len(ranked) < PAIR:
        return
    ordered = [values[concept_id] for concept_id in ranked]
    heap = [(-ordered[0] - ordered[1], 0, 1)]
    while heap:
        _, p, q = heapq.heappop(heap)
        yield make_pair(ranked[p], ranked[q])
        if q + 1 < len(ranked):
            heapq.heappush(heap, (-ordered[p] - ordered[q + 1], p, q + 1))
            if q == p + 1:
                heapq.heappush(heap, (-ordered[p + 1] - ordered[q + 1], p + 1, q + 1))
