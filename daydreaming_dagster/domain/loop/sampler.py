"""The port of samplers, which choose the pairs of concepts that a round tries."""

import heapq
import math
import random
from collections.abc import Sequence
from itertools import islice
from typing import Final, Protocol

import attrs

from daydreaming_dagster.domain.errors import SamplerError
from daydreaming_dagster.domain.loop.pairs import Pair, make_pair, random_pairs

EXPLORATION: Final = "exploration"
"""The reason of a choice that was made uniformly at random, whatever was learned."""


@attrs.frozen
class Trial:
    """A pair that was tried.

    Attributes:
        pair: The concepts.
        scores: What the judges gave its texts, as shares of their scale. It may be empty: the pair
            is not tried again, and nothing is learned from it.
    """

    pair: Pair
    scores: tuple[float, ...] = ()


@attrs.frozen
class Choice:
    """A pair to try. The reason is the sampler's name, or `EXPLORATION`."""

    pair: Pair
    reason: str


class PairSampler(Protocol):
    """Chooses pairs of concepts.

    The choice is a function of the arguments alone, so that a loop that was killed chooses the same
    again. A sampler keeps nothing between calls.
    """

    def choose(
        self, concept_ids: Sequence[str], trials: Sequence[Trial], count: int, seed: str
    ) -> list[Pair]:
        """Return at most `count` untried pairs of these concepts, each once, in sorted order.

        `trials` are in the order in which they were made. `seed` differs from round to round.
        """
        ...


@attrs.frozen
class UniformSampler:
    """Chooses each untried pair with the same probability."""

    def choose(
        self, concept_ids: Sequence[str], trials: Sequence[Trial], count: int, seed: str
    ) -> list[Pair]:
        tried = {trial.pair for trial in trials}
        return list(islice(random_pairs(concept_ids, tried, random.Random(seed)), count))


@attrs.frozen
class CoverageSampler:
    """Chooses pairs of the concepts that were tried least often, at random among equals."""

    def choose(
        self, concept_ids: Sequence[str], trials: Sequence[Trial], count: int, seed: str
    ) -> list[Pair]:
        rng = random.Random(seed)
        tried = {trial.pair for trial in trials}
        uses = dict.fromkeys(concept_ids, 0)
        for pair in tried:
            for concept_id in pair:
                uses[concept_id] += 1
        heap = [(used, rng.random(), concept_id) for concept_id, used in uses.items()]
        heapq.heapify(heap)
        chosen: list[Pair] = []
        while heap and len(chosen) < count:
            used, _, concept_id = heapq.heappop(heap)
            passed: list[tuple[int, float, str]] = []
            while heap and make_pair(concept_id, heap[0][2]) in tried:
                passed.append(heapq.heappop(heap))
            if heap:  # else the concept was tried with every other, and is left out from now on
                partner_used, _, partner = heapq.heappop(heap)
                pair = make_pair(concept_id, partner)
                tried.add(pair)
                chosen.append(pair)
                heapq.heappush(heap, (used + 1, rng.random(), concept_id))
                heapq.heappush(heap, (partner_used + 1, rng.random(), partner))
            for entry in passed:
                heapq.heappush(heap, entry)
        return chosen


@attrs.frozen
class ExploringSampler:
    """A sampler whose choices always include uniformly random ones.

    Attributes:
        name: The sampler's name in the specification.
        sampler: The sampler.
        exploration: The least share of random choices.
    """

    name: str
    sampler: PairSampler
    exploration: float

    def choose(
        self, concept_ids: Sequence[str], trials: Sequence[Trial], count: int, seed: str
    ) -> list[Choice]:
        """Return `count` untried pairs, or all that are left.

        Random pairs also replace those that the sampler does not choose.

        Raises:
            SamplerError: The sampler failed, or broke the rules of `PairSampler.choose`.
        """
        wanted = count - math.ceil(self.exploration * count)
        try:
            pairs = list(self.sampler.choose(concept_ids, trials, wanted, seed)) if wanted else []
        except Exception as error:
            raise SamplerError(self.name, f"failed with {error!r}") from error
        if len(pairs) > wanted:
            raise SamplerError(self.name, f"chose {len(pairs)} pairs instead of {wanted}")
        tried, known = {trial.pair for trial in trials}, set(concept_ids)
        for pair in pairs:
            if pair in tried or not (pair[0] < pair[1] and known.issuperset(pair)):
                reason = f"{'+'.join(pair)} is not an untried pair of the loop's concepts"
                raise SamplerError(self.name, reason)
            tried.add(pair)
        rng = random.Random(f"{seed}/{EXPLORATION}")
        explored = islice(random_pairs(concept_ids, tried, rng), count - len(pairs))
        return [
            *(Choice(pair, self.name) for pair in pairs),
            *(Choice(pair, EXPLORATION) for pair in explored),
        ]
