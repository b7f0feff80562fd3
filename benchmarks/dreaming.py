"""How well samplers find the best pairs of concepts in a planted landscape, and at what size.

`python -m benchmarks.dreaming [seeds]`; 20 seeds take ten minutes on two cores.

The landscape was fixed before the sampler was first run on it, and the sampler is told none of it:
1,000 concepts, so 499,500 pairs. The value of a pair is the sum of the effects of its concepts,
standard normal each, and one pair in 100, at random, has a bonus of one standard deviation of that
sum. A bonus of two is there to see where it ends: half of the best pairs then have a bonus that no
other pair tells of. Without structure, each pair's value is normal and independent of all others.

The model is scripted: it writes a text that names the pair, and as a judge reads the pair from the
text and gives 0 to 9, of which 19 % of the variance is the pair's value. So one score says little.
A pair costs two calls. 100 rounds of 99 pairs are 1.98 % of the calls of the full factorial.
"""
# ruff: noqa: INP001, T201, S311  a program to be run by hand; nothing here is secret

import asyncio
import random
import re
import resource
import sys
import time
from collections.abc import Sequence
from itertools import combinations, islice
from math import comb, sqrt
from multiprocessing import get_context
from statistics import correlation, fmean, pstdev
from typing import Final, NamedTuple

from adapters.language_model.scripted import ScriptedLanguageModel
from daydreaming_dagster.domain.loop.pairs import Pair, best_pairs, make_pair
from daydreaming_dagster.domain.loop.registry import SAMPLERS
from daydreaming_dagster.domain.loop.sampler import ExploringSampler, Trial, UniformSampler
from daydreaming_dagster.ports.language_model import ModelRequest

CONCEPTS: Final = [f"c{number:03}" for number in range(1_000)]
ROUNDS: Final = 100
PAIRS_PER_ROUND: Final = 99
TRIED: Final = ROUNDS * PAIRS_PER_ROUND
PAIRS: Final = comb(len(CONCEPTS), 2)
TOP: Final = round(PAIRS / 1_000)
EXPLORATION: Final = 0.1
RELIABILITY: Final = 0.19
BONUS_SHARE: Final = 0.01
LANDSCAPES: Final = {"bonus 1": 1.0, "bonus 2": 2.0, "no structure": None}
HIGHEST: Final = 9


class Landscape:
    """The value of each pair, and the scripted model that writes and judges."""

    def __init__(self, bonus: float | None, seed: int) -> None:
        rng = random.Random(f"landscape/{bonus}/{seed}")
        self.effects = {concept: rng.gauss(0.0, 1.0) for concept in CONCEPTS}
        self.values = {
            pair: rng.gauss(0.0, 1.0)
            if bonus is None
            else sum(self.effects[concept] for concept in pair) / sqrt(2)
            + (bonus if rng.random() < BONUS_SHARE else 0.0)
            for pair in combinations(CONCEPTS, 2)
        }
        self.top = set(sorted(self.values, key=self.values.__getitem__, reverse=True)[:TOP])
        self._middle, self._spread = fmean(self.values.values()), pstdev(self.values.values())
        self._rng = rng

    def answer(self, request: ModelRequest) -> str:
        """Write about the pair that the prompt names, or judge the text that names it."""
        one, other = re.findall(r"c\d{3}", request.prompt)
        if not request.prompt.startswith("Judge"):
            return f"What {one} and {other} have in common."
        value = (self.values[make_pair(one, other)] - self._middle) / self._spread
        noise = self._rng.gauss(0.0, 1.0)
        judged = sqrt(RELIABILITY) * value + sqrt(1 - RELIABILITY) * noise
        return str(min(HIGHEST, max(0, round(4.5 + 1.8 * judged))))

    def judge(self, pair: Pair) -> float:
        return int(self.answer(ModelRequest(f"Judge: {pair[0]}, {pair[1]}", "judge"))) / HIGHEST


class Found(NamedTuple):
    """Shares of the best 0.1 % of pairs, and how reliable one score was."""

    learned: float
    uniform: float
    best_concepts: float
    top_with_bonus: float
    reliability: float


async def explore(landscape: Landscape, sampler: str, seed: int) -> set[Pair]:
    """Return the pairs that a loop with this sampler tries. It makes all of its calls."""
    exploring = ExploringSampler(sampler, SAMPLERS[sampler], EXPLORATION)
    model = ScriptedLanguageModel(landscape.answer)
    trials: list[Trial] = []
    for number in range(ROUNDS):
        chosen = exploring.choose(CONCEPTS, trials, PAIRS_PER_ROUND, f"{seed}/{number}")
        for one, other in (choice.pair for choice in chosen):
            text = (await model.complete(ModelRequest(f"{one}, {other}", "writer"))).text
            score = (await model.complete(ModelRequest(f"Judge: {text}", "judge"))).text
            trials.append(Trial((one, other), (int(score) / HIGHEST,)))
    if len(model.requests) != 2 * TRIED:
        raise AssertionError(f"{len(model.requests)} calls instead of {2 * TRIED}")
    return {trial.pair for trial in trials}


def measure(job: tuple[float | None, int]) -> Found:
    """Return what is found in the landscape with this bonus and seed."""
    bonus, seed = job
    landscape = Landscape(bonus, seed)

    def share(pairs: set[Pair]) -> float:
        return len(pairs & landscape.top) / TOP

    with_bonus = (
        [
            pair
            for pair in landscape.top
            if landscape.values[pair] - sum(landscape.effects[c] for c in pair) / sqrt(2)
            > bonus / 2
        ]
        if bonus
        else []
    )
    judged_twice = [
        (landscape.judge(pair), landscape.judge(pair))
        for pair in random.Random(seed).sample(list(landscape.values), 50_000)
    ]
    return Found(
        share(asyncio.run(explore(landscape, "thompson", seed))),
        share(asyncio.run(explore(landscape, "uniform", seed))),
        share(set(islice(best_pairs(landscape.effects), TRIED))),
        len(with_bonus) / TOP,
        correlation(*zip(*judged_twice, strict=True)),
    )


def shown(values: Sequence[float]) -> str:
    """Return the mean and the range."""
    return f"{fmean(values):.1%} ({min(values):.1%} to {max(values):.1%})"


def measure_size() -> None:
    """Print what one round takes with 100,000 concepts, in this process."""
    concepts = [f"concept-{number:06}" for number in range(100_000)]
    rng = random.Random(0)
    for made in (1_000, 10_000):
        chosen = UniformSampler().choose(concepts, [], made, "0")
        trials = [Trial(pair, (rng.random(),)) for pair in chosen]
        for name, sampler in SAMPLERS.items():
            start = time.process_time()
            sampler.choose(concepts, trials, 100, "1")
            took = time.process_time() - start
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{name}, {made:,} pairs tried: {took:.2f} s of CPU, peak {peak:.0f} MB")


def main() -> None:
    """Print everything."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    print("One round of 100 pairs, 100,000 concepts:")
    measure_size()
    print(f"\nShare of the best {TOP} of {PAIRS:,} pairs among the {TRIED:,} that were tried")
    print(f"with {2 * TRIED:,} calls, {TRIED / PAIRS:.2%} of the full factorial; {seeds} seeds:")
    with get_context("spawn").Pool(2) as pool:
        for name, bonus in LANDSCAPES.items():
            found = pool.map(measure, [(bonus, seed) for seed in range(seeds)], chunksize=1)
            learned = [each.learned for each in found]
            uniform = [each.uniform for each in found]
            print(f"\n{name}; one score's reliability {shown([e.reliability for e in found])}")
            print(f"  learning               {shown(learned)}")
            print(f"  uniform                {shown(uniform)}; expected {TRIED / PAIRS:.2%}")
            print(f"  learning / uniform     {fmean(learned) / fmean(uniform):.2f}")
            print(f"  learning / expected    {fmean(learned) * PAIRS / TRIED:.2f}")
            if bonus:
                print(f"  effects known, no bonus {shown([e.best_concepts for e in found])}")
                print(f"  top pairs with a bonus {shown([e.top_with_bonus for e in found])}")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
