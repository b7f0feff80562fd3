"""How often intervals contain the truth, in simulated experiments: `python -m benchmarks.coverage`.

One row per design: the share of 95 % intervals that contain the truth, the share of experiments in
which every rank band contains the true rank (at least 95 % is right), and of the probabilities of
being best, how often the most probable item is the best against how probable it was said to be.
Then experiments without any effect, and how many of them have a finding.
"""
# ruff: noqa: INP001, T201  a program to be run by hand

import argparse
from collections.abc import Iterator
from typing import Final, NamedTuple

import attrs
import numpy as np

from daydreaming_dagster.domain.statistics.analysis import score_bands
from daydreaming_dagster.domain.statistics.bradley_terry import fit_duels
from daydreaming_dagster.domain.statistics.effects import estimate_effects
from daydreaming_dagster.domain.statistics.judge_model import fit_scores
from daydreaming_dagster.domain.statistics.judgments import Coded, Duels, Floats, Indices, Scores
from daydreaming_dagster.domain.statistics.ranks import best_of_estimates, rank_bands
from daydreaming_dagster.domain.statistics.score_evidence import make_evidence

Generator = np.random.Generator
POPULATION: Final = 4000
LEAST, MOST = 0.93, 0.97


@attrs.frozen
class Design:
    """A crossed design of scores.

    Attributes:
        items: How many essays.
        judges: How many judges, with different strictness, scale and noise.
        replicates: How often each judge scores each essay.
        taste: The standard deviation of what a judge likes about single essays.
        missing: The share of scores that are missing: `random`, or the lower ones (`low`).
        discrete: Whether scores are whole numbers from 1 to 9.
        ceiling: Whether judges are so mild that many scores are at the top of that scale.
    """

    items: int
    judges: int
    replicates: int
    taste: float = 0.0
    missing: str = ""
    discrete: bool = False
    ceiling: bool = False

    def __str__(self) -> str:
        more = [self.missing and f"{self.missing} missing", "taste" if self.taste else ""]
        more += ["ceiling" if self.ceiling else "whole numbers" if self.discrete else ""]
        head = f"{self.items} x {self.judges} x {self.replicates}"
        return ", ".join([head, *filter(None, more)])


class Judges(NamedTuple):
    """How the judges of an experiment score."""

    strictness: Floats
    scale: Floats
    noise: Floats


def draw_judges(design: Design, rng: Generator) -> Judges:
    """Return judges who differ in everything."""
    return Judges(
        rng.standard_normal(design.judges),
        np.exp(0.25 * rng.standard_normal(design.judges)),
        np.exp(0.3 * rng.standard_normal(design.judges)),
    )


def scored(design: Design, judges: Judges, quality: Floats, rng: Generator) -> Floats:
    """Return scores of essays of this quality: essay, judge, replicate."""
    shape = (len(quality), design.judges, design.replicates)
    taste = design.taste * rng.standard_normal(shape[:2])[:, :, None]
    noise = judges.noise[None, :, None] * rng.standard_normal(shape)
    value = quality[:, None, None] + taste + noise
    score = judges.strictness[None, :, None] + judges.scale[None, :, None] * value
    if not design.discrete:
        return np.asarray(score)
    middle = 7.5 if design.ceiling else 5.0
    return np.clip(np.round(middle + 1.2 * score), 1, 9)


def expected(design: Design, judges: Judges, quality: Floats, rng: Generator) -> Floats:
    """Return each essay's expected score on the common scale, averaged over the judges.

    The judges' means and scales are those of many essays that are like these.
    """
    repeats = 400 if design.discrete else 1
    calm = judges if design.discrete else judges._replace(noise=np.zeros(design.judges))
    single = attrs.evolve(design, replicates=repeats, taste=0.0)
    level = scored(single, calm, quality, rng).mean(axis=2)
    crowd = scored(design, judges, rng.standard_normal(POPULATION), rng).mean(axis=2)
    spread = crowd.std(axis=0)
    weight = np.exp(np.log(spread).mean()) / spread
    return np.asarray((level.mean(axis=0) + (level - level.mean(axis=0)) * weight).mean(axis=1))


def experiment(
    design: Design, rng: Generator, quality: Floats | None = None
) -> tuple[Scores, Floats]:
    """Return the scores of an experiment, and the truth; of essays of this quality if given."""
    judges = draw_judges(design, rng)
    quality = rng.standard_normal(design.items) if quality is None else quality
    score = scored(design, judges, quality, rng)
    kept = np.ones(score.shape, dtype=np.bool_)
    if design.missing == "random":
        kept = rng.random(score.shape) < 0.7  # noqa: PLR2004  the share that is there
    elif design.missing == "low":
        kept = rng.random(score.shape) > np.where(score < np.median(score), 0.4, 0.1)
    kept[:, 0, 0] |= ~kept.any(axis=(1, 2))
    item, judge, _ = np.nonzero(kept)
    scores = Scores(_coded(item, design.items), _coded(judge, design.judges), score[kept])
    return scores, expected(design, judges, quality, rng)


def _coded(codes: Indices, size: int) -> Coded:
    return Coded(tuple(map(str, range(size))), codes)


class Coverage(NamedTuple):
    """How often it was right."""

    what: str
    intervals: float
    bands: float
    best: float
    said: float

    @property
    def promised(self) -> bool:
        """Whether it is within what the documentation promises."""
        return LEAST <= self.intervals <= MOST and self.bands >= LEAST


def true_ranks(truth: Floats) -> Indices:
    """Return the rank of each item, the best 1."""
    return (truth[None, :] > truth[:, None]).sum(axis=1) + 1


def scores_covered(design: Design, experiments: int, rng: Generator) -> Coverage:
    """Return how often the intervals, bands and probabilities of scores are right."""
    hits, bands, best, said = 0.0, 0, 0, 0.0
    for _ in range(experiments):
        scores, truth = experiment(design, rng)
        fit = fit_scores(scores)
        low, high = fit.interval()
        hits += float(((low <= truth) & (truth <= high)).mean())
        band = score_bands(fit)
        ranks = true_ranks(truth)
        bands += bool(((band.low <= ranks) & (ranks <= band.high)).all())
        chance = best_of_estimates(fit.estimate, fit.covariance, 3, float(fit.df.min())).best
        best += bool(ranks[chance.argmax()] == 1)
        said += float(chance.max())
    return Coverage(str(design), *(float(x) / experiments for x in (hits, bands, best, said)))


class DuelDesign(NamedTuple):
    """Items, duels, the spread of strengths, ties and judges."""

    items: int
    duels: int
    spread: float
    tie: float = 0.0
    judges: int = 1

    def __str__(self) -> str:
        more = (", ties" if self.tie else "") + (f", {self.judges} judges" * (self.judges > 1))
        return f"{self.items} items, {self.duels} duels, spread {self.spread:g}{more}"


def fought(design: DuelDesign, rng: Generator) -> tuple[Duels, Floats]:
    """Return duels in which the first shown has odds of 2, and the strengths."""
    strength = design.spread * rng.standard_normal(design.items)
    first = rng.integers(design.items, size=design.duels)
    second = (first + rng.integers(1, design.items, size=design.duels)) % design.items
    return judged(design, strength, np.stack([first, second], axis=1), rng)


def judged(
    design: DuelDesign, strength: Floats, pairs: Indices, rng: Generator
) -> tuple[Duels, Floats]:
    """Return the duels of these pairs of items with these strengths, and the strengths."""
    judge = rng.integers(design.judges, size=design.duels)
    discrimination = np.exp(0.3 * rng.standard_normal(design.judges))
    discrimination /= np.exp(np.log(discrimination).mean())
    log_odds = discrimination[judge] * (strength[pairs[:, 0]] - strength[pairs[:, 1]]) + np.log(2)
    weights = np.stack(
        [np.exp(log_odds / 2), np.full(design.duels, design.tie), np.exp(-log_odds / 2)], axis=1
    )
    bounds = weights.cumsum(axis=1) / weights.sum(axis=1)[:, None]
    place = (rng.random(design.duels)[:, None] > bounds).sum(axis=1)
    duels = Duels(
        tuple(map(str, range(design.items))),
        pairs[:, 0],
        pairs[:, 1],
        1 - place / 2,
        _coded(judge, design.judges),
        np.zeros(design.judges, dtype=np.int64),
    )
    return duels, strength - strength.mean()


class Combined(NamedTuple):
    """Duels of items that were scored, too.

    Attributes:
        duels: The design of the duels.
        scores: That of the scores, of as many items.
        correlation: That of the true scores and the strengths.
        unscored: The share of items without any score.
    """

    duels: DuelDesign
    scores: Design
    correlation: float
    unscored: float = 0.0

    def __str__(self) -> str:
        more = f", {self.unscored:.0%} without" if self.unscored else ""
        return f"{self.duels.duels} duels, {self.scores}, r {self.correlation:g}{more}"


def scored_too(design: Combined, strength: Floats, rng: Generator) -> Scores:
    """Return scores of items of these strengths."""
    apart = rng.standard_normal(len(strength)) * np.sqrt(1 - design.correlation**2)
    quality = design.correlation * strength / design.duels.spread + apart
    scores, _ = experiment(design.scores, rng, quality)
    kept = np.isin(scores.item.codes, np.flatnonzero(rng.random(len(strength)) >= design.unscored))
    return Scores(scores.item.only(kept), scores.judge.only(kept), scores.score[kept])


def duels_covered(design: DuelDesign | Combined, experiments: int, rng: Generator) -> Coverage:
    """Return how often strengths, bands and the position (as `best`) are right."""
    hits, bands, position, said = 0.0, 0, 0, 0.0
    for _ in range(experiments):
        if isinstance(design, Combined):
            duels, truth = fought(design.duels, rng)
            fit = fit_duels(duels, make_evidence(duels.items, scored_too(design, truth, rng)))
        else:
            duels, truth = fought(design, rng)
            fit = fit_duels(duels)
        low, high = fit.interval()
        hits += float(((low <= truth) & (truth <= high)).mean())
        band = rank_bands(fit.strength, fit.covariance, component=fit.component)
        ranks = true_ranks(truth)
        bands += bool(((band.low <= ranks) & (ranks <= band.high)).all())
        value, error = fit.mean_first
        position += bool(abs(value - np.log(2)) < 1.96 * error)
        said += 0.95
    return Coverage(str(design), *(float(x) / experiments for x in (hits, bands, position, said)))


def grouped(items: int, judges: int, effect: float, rng: Generator) -> Scores:
    """Return scores of essays with four factors, of which the template may have an effect."""
    item, judge, _ = np.indices((items, judges, 2)).reshape(3, -1)
    template = np.arange(items) % 2
    groups = {
        "template": template,
        "model": np.arange(items) // 2 % 2,
        "concept": rng.permutation(items) % 4,
        "combination": rng.permutation(items) % 3,
    }
    quality = effect * template + rng.standard_normal(items)
    score = quality[item] + rng.standard_normal(judges)[judge] + rng.standard_normal(len(item))
    coded = {name: _coded(level[item], int(level.max()) + 1) for name, level in groups.items()}
    return Scores(_coded(item, items), _coded(judge, judges), score, coded)


def effect_covered(items: int, judges: int, experiments: int, rng: Generator) -> float:
    """Return how often the interval of an effect is right, among those that have one."""
    hits = known = 0
    for _ in range(experiments):
        found = estimate_effects(grouped(items, judges, 1.0, rng))
        (contrast,) = (effect for effect in found.contrasts if effect.group == "template")
        known += bool(np.isfinite(contrast.low))
        hits += bool(contrast.low <= -1.0 <= contrast.high)
    return hits / known


def found_falsely(items: int, judges: int, experiments: int, rng: Generator) -> tuple[float, float]:
    """Return in how many experiments without any effect factors, or anything, is a finding."""
    factors = anything = 0
    for _ in range(experiments):
        scores = grouped(items, judges, 0.0, rng)
        scores = attrs.evolve(scores, score=rng.standard_normal(len(scores.score)))
        effects = estimate_effects(scores)
        found = any(effect.is_finding for effect in (*effects.levels, *effects.contrasts))
        apart = bool((score_bands(fit_scores(scores)).low > 1).any())
        factors += found
        anything += found or apart
    return factors / experiments, anything / experiments


def score_designs() -> Iterator[Design]:
    """Yield the designs of scores."""
    for items in (10, 50, 200):
        for judges, replicates in ((1, 2), (1, 4), (2, 1), (3, 1), (5, 1), (3, 4)):
            yield Design(items, judges, replicates)
        for missing in ("random", "low"):
            yield Design(items, 3, 2, missing=missing)
        yield Design(items, 3, 2, taste=0.5)
        yield Design(items, 3, 2, discrete=True)
        yield Design(items, 3, 2, discrete=True, ceiling=True)


DUEL_DESIGNS: Final = (
    DuelDesign(10, 45, 1.0),
    DuelDesign(10, 180, 1.0),
    DuelDesign(30, 200, 1.0),
    DuelDesign(30, 600, 0.5),
    DuelDesign(30, 600, 2.0),
    DuelDesign(30, 600, 1.0, tie=0.7),
    DuelDesign(30, 600, 1.0, judges=3),
    DuelDesign(100, 1000, 1.0),
)


COMBINED_DESIGNS: Final = (
    Combined(DuelDesign(30, 200, 1.0), Design(30, 3, 1), 0.8),
    Combined(DuelDesign(30, 200, 1.0), Design(30, 1, 1), 0.8),
    Combined(DuelDesign(30, 200, 1.0), Design(30, 3, 2, missing="random"), 0.0),
    Combined(DuelDesign(30, 200, 1.0), Design(30, 3, 2, missing="random"), 1.0),
    Combined(DuelDesign(30, 200, 1.0), Design(30, 3, 1), 0.8, 0.3),
    Combined(DuelDesign(100, 300, 1.0), Design(100, 3, 2, discrete=True), 0.8),
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=500, help="Per cell.")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    rows = [scores_covered(design, options.experiments, rng) for design in score_designs()]
    print_rows("essays x judges x replicates", ("the best", "said"), rows)
    duel_rows = [duels_covered(design, options.experiments, rng) for design in DUEL_DESIGNS]
    print_rows("duels, odds of the first 2", ("position", ""), duel_rows)
    combined = [duels_covered(design, options.experiments, rng) for design in COMBINED_DESIGNS]
    print_rows("duels of scored items, one model", ("position", ""), combined)
    print("\neffects: essays x judges    intervals  findings without an effect: factors, anything")
    for items, judges in ((10, 2), (20, 4), (50, 1), (200, 3)):
        covered = effect_covered(items, judges, options.experiments, rng)
        factors, anything = found_falsely(items, judges, 2 * options.experiments, rng)
        print(
            f"{items:>10} x {judges:<15} {covered:9.3f}  {factors:.3f}, {anything:.3f}", flush=True
        )


def print_rows(title: str, last: tuple[str, str], rows: list[Coverage]) -> None:
    """Print one row per design."""
    print(f"\n{title:44} intervals  bands  {last[0]:>8} {last[1]:>6}")
    for row in rows:
        outside = "" if row.promised else "  outside"
        print(
            f"{row.what:44} {row.intervals:9.3f} {row.bands:6.3f} {row.best:9.3f} {row.said:6.3f}"
            f"{outside}",
            flush=True,
        )


if __name__ == "__main__":
    main()
