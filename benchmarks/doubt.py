"""What duels chosen by doubt are worth: `python -m benchmarks.doubt`.

A scripted judge compares 200 essays and prefers the first shown with odds of 2. The full round
robin has 39,800 ordered duels. A fiftieth of them is chosen by doubt, in twenty batches. Per spread
of the strengths (in log odds), over seeds: Kendall's tau with the round robin's order of its top
20; that of the true strengths, which bounds what any choice could reach; how many of the top 20 are
found; how often intervals contain the strength of all essays and of the top 20, and whether every
rank band contains the true rank.
"""
# ruff: noqa: INP001, T201  a program to be run by hand

import argparse
from typing import Final, NamedTuple

import numpy as np
from scipy.stats import kendalltau

from daydreaming_dagster.domain.statistics.bradley_terry import fit_duels
from daydreaming_dagster.domain.statistics.judgments import Coded, Duels, Floats, Indices
from daydreaming_dagster.domain.statistics.pair_choice import believe, pairs_in_doubt
from daydreaming_dagster.domain.statistics.ranks import rank_bands

ESSAYS: Final = 200
TOP: Final = 20
FIRST_ODDS: Final = 2.0
SPARE: Final = 64


class Outcome(NamedTuple):
    """What came of one experiment."""

    tau: float
    tau_of_truth: float
    found: float
    covered: float
    covered_top: float
    bands: float


def judged(pairs: Indices, strength: Floats, rng: np.random.Generator) -> Duels:
    """Return the verdicts of the scripted judge on these ordered pairs."""
    first, second = pairs.T
    log_odds = strength[first] - strength[second] + np.log(FIRST_ODDS)
    wins = (rng.random(len(pairs)) < 1 / (1 + np.exp(-log_odds))).astype(np.float64)
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


def by_doubt(strength: Floats, calls: int, batches: int, rng: np.random.Generator) -> Duels:
    """Return duels that are chosen by doubt, each ordered pair at most once."""
    verdicts: Duels | None = None
    taken: set[tuple[int, int]] = set()
    for batch in range(batches):
        wanted = calls * (batch + 1) // batches
        belief = believe(len(strength), verdicts, None)
        for one, other in pairs_in_doubt(
            belief, SPARE * calls // batches, TOP, len(taken)
        ).tolist():
            orders = [order for order in ((one, other), (other, one)) if order not in taken]
            if orders and len(taken) < wanted:
                taken.add(orders[0])
                verdicts = joined(verdicts, judged(np.array([orders[0]]), strength, rng))
    if verdicts is None:
        raise ValueError("no duel was chosen")
    return verdicts


def experiment(spread: float, calls: int, seed: int) -> Outcome:
    """Return what came of one experiment."""
    rng = np.random.default_rng(seed)
    strength = spread * rng.standard_normal(ESSAYS)
    every = np.argwhere(~np.eye(ESSAYS, dtype=np.bool_))
    full = fit_duels(judged(every, strength, rng)).strength
    best = np.argsort(-full)[:TOP]
    fit = fit_duels(by_doubt(strength, calls, 20, rng))
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


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--calls", type=int, default=796)
    parser.add_argument("--spreads", type=float, nargs="+", default=[1.0, 2.0, 4.0, 8.0])
    options = parser.parse_args()
    print(f"{options.calls} of {ESSAYS * (ESSAYS - 1):,} duels, {options.seeds} seeds")
    print("spread  tau (range)            of truth  found  covered   top  bands")
    for spread in options.spreads:
        rows = np.array([experiment(spread, options.calls, seed) for seed in range(options.seeds)])
        mean, low, high = rows.mean(axis=0), rows.min(axis=0), rows.max(axis=0)
        print(
            f"{spread:6g}  {mean[0]:.3f} ({low[0]:.3f} to {high[0]:.3f}) {mean[1]:9.3f}"
            f" {mean[2]:6.2f} {mean[3]:8.3f} {mean[4]:5.2f} {mean[5]:6.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
