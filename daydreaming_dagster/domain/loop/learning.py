"""A sampler that learns which concepts make good pairs."""

import math
import random
from collections.abc import Sequence
from itertools import islice
from typing import Final

import attrs

from daydreaming_dagster.domain.loop.effects import EffectDraw, draw_effects
from daydreaming_dagster.domain.loop.pairs import Pair, best_pairs
from daydreaming_dagster.domain.loop.sampler import Trial

_BURN_IN: Final = 20
_THINNING: Final = 2
_MOST_DRAWS: Final = 10


@attrs.frozen
class ThompsonSampler:
    """Chooses pairs in proportion to the probability that they are the best ones.

    This is Thompson sampling (Biometrika 25, 1933; Russo et al., A Tutorial on Thompson Sampling,
    2018): each of ten draws from the posterior of the concepts' effects gives the pairs that would
    be best if it were true. So an uncertain concept is tried more than one known to be mediocre.
    It chooses nothing before there are scores that differ.
    """

    def choose(
        self, concept_ids: Sequence[str], trials: Sequence[Trial], count: int, seed: str
    ) -> list[Pair]:
        rng = random.Random(seed)
        tried = {trial.pair for trial in trials}
        chosen: list[Pair] = []
        draws = draw_effects(trials, rng, burn_in=_BURN_IN, thinning=_THINNING)
        portion = math.ceil(count / _MOST_DRAWS)
        while len(chosen) < count and (draw := next(draws, None)) is not None:
            best = best_pairs(_effects_of_all(concept_ids, draw, rng))
            untried = (pair for pair in best if pair not in tried)
            found = list(islice(untried, min(portion, count - len(chosen))))
            if not found:
                break
            chosen += found
            tried.update(found)
        return chosen


def _effects_of_all(
    concept_ids: Sequence[str], draw: EffectDraw, rng: random.Random
) -> dict[str, float]:
    """Return an effect for every concept; that of an untried one is drawn from the prior."""
    return {
        concept_id: draw.effects[concept_id]
        if concept_id in draw.effects
        else rng.gauss(0.0, draw.concept_deviation)
        for concept_id in concept_ids
    }
