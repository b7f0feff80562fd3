"""How often the item is the best of which that is said: `python -m benchmarks.best`.

Experiments of few items and few judgments each, whose truth is known. Items differ by half of, as
much as, or twice a unit: of the log odds of duels, or of a judge's noise. One row per kind of
design: of the probabilities of being the best in each range, how many there were, how many of these
items were the best, and what was said on average. Then the mean log score of the best item.
"""
# ruff: noqa: INP001, T201  a program to be run by hand

import argparse
from collections.abc import Iterable, Iterator
from itertools import combinations, product
from typing import Final

import attrs
import numpy as np

from benchmarks.coverage import Design, DuelDesign, experiment, judged
from daydreaming_dagster.domain.statistics.analysis import RankedItem, rank_duels, rank_scores
from daydreaming_dagster.domain.statistics.bradley_terry import fit_duels
from daydreaming_dagster.domain.statistics.judgments import Duels, Floats

Generator = np.random.Generator
RANGES: Final = ((0.5, 0.6), (0.6, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 0.95), (0.95, 1.01))
ITEMS: Final = (5, 10, 20)
SPREADS: Final = (0.5, 1.0, 2.0)
TIE: Final = 0.7
LEAST: Final = 1 / 8000
"""What counts as said of an item of which 4,000 draws never said that it is the best."""


@attrs.define
class Tally:
    """What was said in a kind of experiments, and what was true."""

    said: Floats = attrs.field(factory=lambda: np.zeros(len(RANGES)))
    often: Floats = attrs.field(factory=lambda: np.zeros(len(RANGES)))
    true: Floats = attrs.field(factory=lambda: np.zeros(len(RANGES)))
    log_score: float = 0.0
    experiments: int = 0

    def add(self, chance: Floats, best: int) -> None:
        """Count an experiment."""
        for number, (low, high) in enumerate(RANGES):
            within = (low <= chance) & (chance < high)
            self.said[number] += chance[within].sum()
            self.often[number] += within.sum()
            self.true[number] += within[best]
        self.log_score += float(np.log(max(chance[best], LEAST)))
        self.experiments += 1

    def __str__(self) -> str:
        cells = [
            f"{true / often if often else np.nan:.2f} of {often:4.0f} ({said / max(often, 1):.2f})"
            for said, often, true in zip(self.said, self.often, self.true, strict=True)
        ]
        return "  ".join([*cells, f"{self.log_score / self.experiments:.3f}"])


def round_robins(design: DuelDesign, rng: Generator) -> tuple[Duels, Floats]:
    """Return round robins of the items, each pair in either order, and the strengths."""
    once = [*combinations(range(design.items), 2)]
    pairs = np.array(once * (design.duels // len(once)))
    turned = rng.random(len(pairs)) < 0.5  # noqa: PLR2004  either order is as frequent
    pairs[turned] = pairs[turned, ::-1]
    return judged(design, design.spread * rng.standard_normal(design.items), pairs, rng)


def chances(items: Iterable[RankedItem], count: int) -> Floats:
    """Return how probable it is that each item is the best, in the order of their numbers."""
    chance = np.zeros(count)
    for item in items:
        chance[int(item.item)] = item.p_best
    return chance


def of_duels(rng: Generator) -> Iterator[tuple[str, Floats, int]]:
    """Yield a kind of design, what was said, and which item is the best, once per design."""
    for items, often, tie, judges in product(ITEMS, (1, 2, 3), (0.0, TIE), (1, 3)):
        spread = float(rng.choice(SPREADS))
        design = DuelDesign(items, often * items * (items - 1) // 2, spread, tie, judges)
        duels, strength = round_robins(design, rng)
        said = chances(rank_duels(duels, fit_duels(duels)), items)
        kinds = f"{often} round robins", "ties" if tie else "no ties", f"{judges} judges"
        for kind in ("all duels", f"{items} items", *kinds, f"spread {spread}"):
            yield kind, said, int(strength.argmax())


def of_scores(rng: Generator) -> Iterator[tuple[str, Floats, int]]:
    """Yield the same of scores."""
    shapes = ((1, 2), (1, 4), (2, 1), (3, 1), (4, 1), (2, 2))
    for items, (judges, replicates), missing in product(ITEMS, shapes, ("", "random")):
        spread = float(rng.choice(SPREADS))
        design = Design(items, judges, replicates, missing=missing)
        scores, truth = experiment(design, rng, spread * rng.standard_normal(items))
        said = chances(rank_scores(scores).items, items)
        which = "30 % missing" if missing else "complete"
        for kind in ("all scores", which, f"{items} items, {which}", f"spread {spread}"):
            yield kind, said, int(truth.argmax())


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=50, help="Of each design.")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(
        " " * 24, *(f"{low:g} to {min(high, 1):g}".ljust(21) for low, high in RANGES), "log score"
    )
    for number, experiments in enumerate((of_duels, of_scores)):
        rng = np.random.default_rng([options.seed, number])
        tallies: dict[str, Tally] = {}
        for _ in range(options.repeats):
            for kind, said, best in experiments(rng):
                tallies.setdefault(kind, Tally()).add(said, best)
        for kind in sorted(tallies):
            print(f"{kind:25}{tallies[kind]}", flush=True)


if __name__ == "__main__":
    main()
