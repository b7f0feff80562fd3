"""What duels chosen by doubt are worth: `python -m benchmarks.doubt`.

A scripted judge compares 200 essays and prefers the first shown with odds of 2. The full round
robin has 39,800 ordered duels. A fiftieth of them is chosen by doubt, in twenty batches, and gets
the verdicts that it has in the round robin. The judge `luck` draws each verdict. The judge `text`
prefers what is shown first unless the other is better by more than log 2. Per judge and spread of
the strengths (in log odds), over seeds: Kendall's tau with the round robin's order of its top 20;
that of the true strengths; how many of the top 20 are found; how often intervals contain the
strength of all essays and of the top 20, and whether every rank band contains the true rank.

`python -m benchmarks.doubt stops` lets it compare 10 or 20 items until `top 3 settled` says stop,
which is asked after each set of duels, or until the budget of 1 or 10 round robins is spent. It
counts the stops, and those after which other items come first than truly do. At a spread of 0, all
are wrong. Of 2 equal items, it asks which is the first: there, looks err most.

`python -m benchmarks.doubt scores` does the same with scores of 2 to 20 items by the judges of
`benchmarks.coverage`, who differ in strictness, scale and noise: real numbers, whole numbers from 1
to 9, or the same with many at the ceiling. Each item gets two rounds, then those in doubt get more,
until 30 rounds per item are spent. It also says how often the intervals that the ranking then
shows contain the truth, and whether all of its rank bands do.

`python -m benchmarks.doubt effects` asks for scores in the same way of items of which one half is
better than the other by a difference, in units of the spread within halves, which is that of a
judge's noise. It says how far the estimate of the difference is off, how often its interval
contains the truth, and how often the difference is found (p below 0.05); then the same with each
score counting alike.
"""
# ruff: noqa: INP001, T201  a program to be run by hand

import argparse
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Final, NamedTuple

import attrs
import numpy as np
from scipy.stats import kendalltau

from benchmarks.coverage import Design, Judges, draw_judges, expected, scored, true_ranks
from daydreaming_dagster.domain.cohort.judgment_choice import DuelChoice
from daydreaming_dagster.domain.results.next_duels import is_settled
from daydreaming_dagster.domain.statistics.analysis import score_bands
from daydreaming_dagster.domain.statistics.bradley_terry import DuelFit, fit_duels
from daydreaming_dagster.domain.statistics.effects import estimate_effects
from daydreaming_dagster.domain.statistics.judge_model import fit_scores
from daydreaming_dagster.domain.statistics.judgments import Coded, Duels, Floats, Indices, Scores
from daydreaming_dagster.domain.statistics.pair_choice import believe, pairs_in_doubt
from daydreaming_dagster.domain.statistics.ranks import rank_bands
from daydreaming_dagster.domain.statistics.reliability import replicate_weights
from daydreaming_dagster.domain.statistics.top_scores import (
    TopScores,
    items_in_doubt,
    more_rounds,
    top_scores,
)

ESSAYS: Final = 200
TOP: Final = 20
FIRST_ODDS: Final = 2.0
SETTLED: Final = 3
MOST_ROUNDS: Final = 30
MAY_ERR: Final = 0.05


class Outcome(NamedTuple):
    """What came of one experiment."""

    tau: float
    tau_of_truth: float
    found: float
    covered: float
    covered_top: float
    bands: float


def judged(pairs: Indices, strength: Floats, rng: np.random.Generator, tie: float = 0.0) -> Duels:
    """Return the verdicts of the scripted judge, to whom equals tie so often, on these pairs."""
    first, second = pairs.T
    log_odds = strength[first] - strength[second] + np.log(FIRST_ODDS)
    between_equals = np.sqrt(FIRST_ODDS) + 1 / np.sqrt(FIRST_ODDS)
    tied = np.full(len(pairs), between_equals * tie / (1 - tie))
    weights = np.stack([np.exp(log_odds / 2), tied, np.exp(-log_odds / 2)], axis=1)
    bounds = weights.cumsum(axis=1) / weights.sum(axis=1, keepdims=True)
    wins = 1 - (rng.random(len(pairs))[:, None] > bounds).sum(axis=1) / 2
    judge = Coded(("judge",), np.zeros(len(pairs), dtype=np.int64))
    names = tuple(map(str, range(len(strength))))
    return Duels(names, first, second, wins, judge, np.zeros(1, dtype=np.int64))


def joined(one: Duels | None, other: Duels) -> Duels:
    """Return the duels of both."""
    if one is None:
        return other
    judge = Coded(one.judge.names, np.concatenate([one.judge.codes, other.judge.codes]))
    return Duels(
        one.items,
        np.concatenate([one.first, other.first]),
        np.concatenate([one.second, other.second]),
        np.concatenate([one.first_wins, other.first_wins]),
        judge,
        one.unreadable,
    )


def by_doubt(
    items: int, choice: DuelChoice, judge: Callable[[Indices], Duels], rounds: int = 1
) -> Iterator[DuelFit]:
    """Yield what the duels say after each set that is chosen, each ordered pair up to `rounds`."""
    verdicts: Duels | None = None
    fit: DuelFit | None = None
    taken = np.zeros((items, items), dtype=np.int64)
    for known in range(0, choice.calls, choice.batch):
        wanted = min(choice.batch, choice.calls - known)
        left = 2 * rounds - taken - taken.T
        pairs = pairs_in_doubt(believe(items, fit, None), left, wanted, choice.top, known)
        for pair in pairs:
            if taken[*pair] > taken[*pair[::-1]]:
                pair[:] = pair[::-1].copy()
            taken[*pair] += 1
        verdicts = joined(verdicts, judge(pairs))
        fit = fit_duels(verdicts)
        yield fit


def experiment(kind: str, spread: float, calls: int, seed: int) -> Outcome:
    """Return what came of one experiment."""
    rng = np.random.default_rng(seed)
    strength = spread * rng.standard_normal(ESSAYS)
    every = np.argwhere(~np.eye(ESSAYS, dtype=np.bool_))
    robin = judged(every, strength, rng)
    if kind == "text":
        lead = strength[robin.first] - strength[robin.second] + np.log(FIRST_ODDS)
        robin = attrs.evolve(robin, first_wins=(lead > 0).astype(np.float64))
    place = np.zeros((ESSAYS, ESSAYS), dtype=np.int64)
    place[*every.T] = np.arange(len(every))

    def recorded(pairs: Indices) -> Duels:
        rows = place[*pairs.T]
        codes = Coded(robin.judge.names, robin.judge.codes[rows])
        first, second, wins = robin.first[rows], robin.second[rows], robin.first_wins[rows]
        return Duels(robin.items, first, second, wins, codes, robin.unreadable)

    full = fit_duels(robin).strength
    best = np.argsort(-full)[:TOP]
    *_, fit = by_doubt(ESSAYS, DuelChoice(calls=calls, top=TOP), recorded)
    low, high = fit.interval()
    centred = strength - strength.mean()
    covered = (low < centred) & (centred < high)
    ranks = (strength[None, :] > strength[:, None]).sum(axis=1) + 1
    bands = rank_bands(fit.strength, fit.covariance, component=fit.component)
    return Outcome(
        float(kendalltau(fit.strength[best], full[best]).statistic),
        float(kendalltau(strength[best], full[best]).statistic),
        float(np.isin(np.argsort(-fit.strength)[:TOP], best).mean()),
        float(covered.mean()),
        float(covered[best].mean()),
        float(((bands.low <= ranks) & (ranks <= bands.high)).all()),
    )


def stopped(items: int, rounds: int, spread: float, tie: float, seed: int) -> tuple[int, int, int]:
    """Return whether duels stop before the budget, whether wrongly, and after how many."""
    rng = np.random.default_rng(seed)
    strength = spread * rng.standard_normal(items)
    choice = DuelChoice(calls=rounds * items * (items - 1))
    places = min(SETTLED, items - 1)
    best = {*np.argsort(-strength)[:places].tolist()} if spread else set()
    fits = by_doubt(items, choice, lambda pairs: judged(pairs, strength, rng, tie), rounds)
    for look, fit in enumerate(fits, start=1):
        if is_settled(fit, places, look):
            said = {*np.argsort(-fit.strength)[:places].tolist()}
            return 1, int(said != best), min(look * choice.batch, choice.calls)
    return 0, 0, choice.calls


def print_stops(seeds: int) -> None:
    """Print how often the rule `top 3 settled` stops, and how often wrongly."""
    print(f"items  round robins  spread  ties  stopped  wrongly  duels made, {seeds} seeds")
    designs = [(10, 1, 0.0), (20, 1, 0.0), (2, 100, 0.0), (10, 10, 0.0)]
    designs += product((10, 20), (10,), (1.0, 2.0, 4.0))
    for (items, rounds, spread), tie in product(designs, (0.0, 0.15)):
        rows = np.array([stopped(items, rounds, spread, tie, seed) for seed in range(seeds)])
        stops, wrong, duels = rows.sum(axis=0).tolist()
        share = duels / seeds / rounds / items / (items - 1)
        print(
            f"{items:5} {rounds:13} {spread:7g} {tie:5g} {stops:8} {wrong:8}  {share:.0%}",
            flush=True,
        )


class ScoreStop(NamedTuple):
    """What came of one experiment with scores.

    Attributes:
        stopped: Whether the rule stopped before the budget was spent, 1 or 0.
        wrongly: Whether it did, and other items are truly the first.
        spent: Rounds, of all items together.
        covered: The share of the ranking's intervals at the end that contain the truth.
        bands: Whether each of its rank bands contains the true rank.
    """

    stopped: int
    wrongly: int
    spent: int
    covered: float
    bands: int


def scores_stopped(design: Design, places: int, spread: float, seed: int) -> ScoreStop:
    """Ask for scores until the first places are settled, or the budget is spent."""
    rng = np.random.default_rng(seed)
    quality = spread * rng.standard_normal(design.items)
    judges = draw_judges(design, rng)
    truth = expected(design, judges, quality, rng) if spread else np.zeros(design.items)

    rounds, top = asked_by_doubt(design, judges, quality, 2, places, rng)
    spent, stopped = sum(map(len, rounds)), not len(top.in_doubt)
    wrong = truth[top.order[:places]].min() <= truth[top.order[places:]].max()
    return ScoreStop(int(stopped), int(stopped and wrong), spent, *ranked(rounds, truth))


def asked_by_doubt(  # noqa: PLR0913, PLR0917  a design, what is asked at first, and until when
    design: Design,
    judges: Judges,
    quality: Floats,
    first: int,
    places: int,
    rng: np.random.Generator,
) -> tuple[list[Floats], TopScores]:
    """Return the scores of each item (round, judge) once the rule holds or the budget is spent."""

    def more(item: int, rounds: int) -> Floats:
        of_item = attrs.evolve(design, replicates=rounds)
        return scored(of_item, judges, quality[[item]], rng)[0].T

    rounds = [more(item, first) for item in range(design.items)]
    while True:
        top = top_scores(rounds, places)
        if not len(top.in_doubt) or sum(map(len, rounds)) >= MOST_ROUNDS * design.items:
            return rounds, top
        for item in items_in_doubt(top):
            added = more(item, more_rounds(len(rounds[item])))
            rounds[item] = np.concatenate([rounds[item], added])


def table_of(rounds: Sequence[Floats]) -> Scores:
    """Return the scores of each item (round, judge) as a table."""
    item = np.repeat(np.arange(len(rounds)), [of_item.size for of_item in rounds])
    judge = np.concatenate([np.indices(of_item.shape)[1].ravel() for of_item in rounds])
    score = np.concatenate([of_item.ravel() for of_item in rounds])
    names = (tuple(map(str, range(len(rounds)))), tuple(map(str, range(rounds[0].shape[1]))))
    return Scores(Coded(names[0], item), Coded(names[1], judge), score)


def ranked(rounds: Sequence[Floats], truth: Floats) -> tuple[float, int]:
    """Return the share of intervals that contain the truth, and whether all rank bands do."""
    fit = fit_scores(table_of(rounds))
    low, high = fit.interval()
    band, ranks = score_bands(fit), true_ranks(truth)
    right = ((band.low <= ranks) & (ranks <= band.high)).all()
    return float(((low <= truth) & (truth <= high)).mean()), int(right)


def print_score_stops(seeds: int) -> None:
    """Print how often the rule `top 3 settled` stops scores, and what the ranking then says."""
    print(
        f"items x judges, spread  stopped  wrongly  rounds per item, covered  bands, {seeds} seeds"
    )
    scales = ({}, {"discrete": True}, {"discrete": True, "ceiling": True})
    sizes = [(2, 0.0), (3, 0.1), (10, 0.0), (10, 0.5), (10, 1.0), (10, 2.0), (20, 2.0)]
    for (items, spread), judges, scale in product(sizes, (1, 3), scales):
        design = Design(items, judges, 1, **scale)
        places = min(SETTLED, items - 1) if items > SETTLED else 1
        outcomes = [scores_stopped(design, places, spread, seed) for seed in range(seeds)]
        stops, wrong, rounds, covered, bands = np.array(outcomes).sum(axis=0).tolist()
        shown = f"{covered / seeds:.3f} {bands / seeds:.2f}" if spread else ""
        print(
            f"{design}, {spread:g}: {stops:g} {wrong:g}  {rounds / seeds / items:.1f}  {shown}",
            flush=True,
        )


class Found(NamedTuple):
    """How far an estimated difference is off, whether it is covered, and whether it is found."""

    error: float
    covered: float
    found: float


def effects_after(design: Design, first: int, difference: float, seed: int) -> tuple[Found, Found]:
    """Return what is said of two halves after scores by doubt: as it is, and by scores alike."""
    rng = np.random.default_rng(seed)
    half = np.arange(design.items) % 2
    judges = draw_judges(design, rng)
    quality = rng.standard_normal(design.items) - difference * half
    rounds, _ = asked_by_doubt(design, judges, quality, first, SETTLED, rng)
    scores = table_of(rounds)
    groups = {"half": Coded(("better", "worse"), half[scores.item.codes])}
    truth = difference * float(judges.scale.mean())
    said: list[Found] = []
    for weights in (replicate_weights(scores), None):
        (one,) = estimate_effects(attrs.evolve(scores, groups=groups), weights=weights).contrasts
        said.append(Found(one.estimate - truth, one.low <= truth <= one.high, one.p < MAY_ERR))
    return said[0], said[1]


def print_effects(seeds: int) -> None:
    """Print what is said of factors after scores by doubt."""
    print(f"items x judges x first rounds, difference: off, covered, found; alike, {seeds} seeds")
    sizes = product((12, 40), (1, 3), (1, 2), (0.0, 1.0))
    for items, judges, first, difference in sizes:
        design = Design(items, judges, 1)
        rows = np.array([effects_after(design, first, difference, seed) for seed in range(seeds)])
        ours, alike = (
            f"{error:+.2f} {covered:.3f} {found:.2f}"
            for error, covered, found in rows.mean(axis=0).tolist()
        )
        print(f"{items} x {judges} x {first}, {difference:g}: {ours};  {alike}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--calls", type=int, default=796)
    parser.add_argument("--spreads", type=float, nargs="+", default=[1.0, 2.0, 4.0, 8.0])
    parser.add_argument("what", nargs="?", choices=["worth", *WAYS], default="worth")
    options = parser.parse_args()
    if options.what in WAYS:
        WAYS[options.what](options.seeds)
        return
    print(f"{options.calls} of {ESSAYS * (ESSAYS - 1):,} duels, {options.seeds} seeds")
    print("judge spread  tau (range)            of truth  found  covered   top  bands")
    designs = [(kind, spread) for kind in ("luck", "text") for spread in options.spreads]
    for kind, spread in designs:
        outcomes = [experiment(kind, spread, options.calls, seed) for seed in range(options.seeds)]
        rows = np.array(outcomes)
        mean, low, high = rows.mean(axis=0), rows.min(axis=0), rows.max(axis=0)
        print(
            f"{kind} {spread:6g}  {mean[0]:.3f} ({low[0]:.3f} to {high[0]:.3f}) {mean[1]:9.3f}"
            f" {mean[2]:6.2f} {mean[3]:8.3f} {mean[4]:5.2f} {mean[5]:6.2f}",
            flush=True,
        )


WAYS: Final = {"stops": print_stops, "scores": print_score_stops, "effects": print_effects}

if __name__ == "__main__":
    main()
