"""What recorded judgments are known to say, computed by our methods: `make reproduce`.

Reads the tables of `../shared/judgments`, whose README states the known figures and their sources.
A row says `other` if the figure found is not the known one within rounding, or, for a figure that
depends on the order of duels or on an estimator, if its range does not contain the known one.
"""
# ruff: noqa: INP001, T201  a program to be run by hand

import csv
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata, spearmanr, ttest_ind

from daydreaming_dagster.domain.statistics.bradley_terry import fit_duels
from daydreaming_dagster.domain.statistics.effects import estimate_effects
from daydreaming_dagster.domain.statistics.judgments import Floats, make_duels, make_scores
from daydreaming_dagster.domain.statistics.reliability import one_way_icc

FOLDER: Final = Path(__file__).parents[2] / "shared" / "judgments"
DUELS: Final = 5000
ORDERS: Final = 20
INTERESTING: Final = 4
Rows = list[dict[str, str]]


class Cell(NamedTuple):
    """A known figure and ours; `low` and `high` are the range that must contain the known one."""

    what: str
    known: float | None
    found: float
    low: float | None = None
    high: float | None = None

    @property
    def agrees(self) -> bool:
        """Whether ours is the known figure, to the digits it is given with, or in its range."""
        if self.known is None:
            return True
        if self.low is not None and self.high is not None:
            return self.low <= self.known <= self.high
        digits = len(str(self.known).partition(".")[2])
        return abs(self.found - self.known) <= 0.5001 * 10**-digits


def read(name: str) -> Rows:
    """Return the rows of a table."""
    with (FOLDER / name).open(newline="") as file:
        return list(csv.DictReader(file))


def reviews() -> Iterator[Cell]:
    """Yield what experts said of ideas by models and by humans."""
    rows = read("idea_reviews.csv")
    novelty = [float(row["novelty"]) for row in rows]
    condition = [row["condition"] for row in rows]
    scores = make_scores(
        [row["idea"] for row in rows], ["expert"] * len(rows), novelty, {"condition": condition}
    )
    by = {
        name: [n for n, c in zip(novelty, condition, strict=True) if c == name]
        for name in condition
    }
    (effect,) = (
        effect
        for effect in estimate_effects(scores).contrasts
        if {effect.level, effect.than} == {"AI", "Human"}
    )
    sign = 1 if effect.level == "AI" else -1
    naive = ttest_ind(by["AI"], by["Human"], equal_var=False).statistic
    yield Cell("ideas, novelty, model minus human", 0.80, sign * effect.estimate)
    yield Cell("the same, z of reviews taken as independent", 3.39, float(naive))
    yield Cell(
        "the same, t clustered by idea (z known 3.00)", 3.0, abs(effect.estimate / effect.error)
    )
    icc = one_way_icc(scores)
    counts, item = scores.item.counts(), scores.item.codes
    means = np.bincount(item, weights=scores.score) / counts
    between = float(counts @ (means - scores.score.mean()) ** 2) / (len(counts) - 1)
    within = float(((scores.score - means[item]) ** 2).sum()) / (len(item) - len(counts))
    yield Cell(
        "ICC(1) of one review, as if each idea had two",
        0.19,
        (between - within) / (between + within),
    )
    yield Cell("ICC(1) with unequal numbers of reviews, 95 %", 0.19, icc.value, icc.low, icc.high)


def area_under_curve(strength: Floats, positive: np.ndarray) -> float:
    """Return the probability that a positive item is stronger than a negative one."""
    ranks, count = rankdata(strength), int(positive.sum())
    above = ranks[positive].sum() - count * (count + 1) / 2
    return float(above / (count * (~positive).sum()))


def elo(duels: np.ndarray, items: int) -> Floats:
    """Return ratings after these duels (first, second, first wins), one after the other."""
    ratings = np.full(items, 1400.0)
    for first, second, wins in duels:
        change = 32 * (wins - 1 / (1 + 10 ** ((ratings[second] - ratings[first]) / 400)))
        ratings[first] += change
        ratings[second] -= change
    return ratings


def bradley_terry(duels: np.ndarray, items: int, spread: float, *, position: bool) -> Floats:
    """Return the likeliest strengths if they are normal with this spread, by another optimiser."""
    first, second, wins = duels.T

    def loss(values: Floats) -> tuple[float, Floats]:
        odds = values[first] - values[second] + position * values[items]
        excess = expit(odds) - wins
        gradient = np.append(values[:items] / spread**2, position * excess.sum())
        gradient[:items] += np.bincount(first, excess, items) - np.bincount(second, excess, items)
        prior = float(values[:items] @ values[:items]) / 2 / spread**2
        return float((np.logaddexp(0, odds) - wins * odds).sum()) + prior, gradient

    start = np.zeros(items + 1)
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B").x[:items])


def duels() -> Iterator[Cell]:
    """Yield how well a judge's duels find ideas that interest an expert."""
    interest = {row["idea"]: float(row["interest"]) for row in read("scimuse_interest.csv")}
    interesting = np.array([interest[str(item)] >= INTERESTING for item in range(len(interest))])
    rows = np.array([[int(cell) for cell in row.values()] for row in read("scimuse_duels_35.csv")])
    rng = np.random.default_rng(0)
    orders = [rows[rng.permutation(len(rows))[:DUELS]] for _ in range(ORDERS)]
    areas = [area_under_curve(elo(order, len(interesting)), interesting) for order in orders]
    mean, low, high = float(np.mean(areas)), min(areas), max(areas)
    yield Cell(
        f"{DUELS} duels, AUC, Elo, range of {ORDERS} orders (published)", 0.5686, mean, low, high
    )
    yield Cell("the same (computed independently)", 0.560, mean, low, high)
    first, second, wins = orders[0].T
    drawn = make_duels(list(map(str, first)), list(map(str, second)), list(map(float, wins)))
    fit = fit_duels(drawn)
    area = area_under_curve(fit.strength, interesting[[int(name) for name in drawn.items]])
    without, within = (
        np.array(
            [
                area_under_curve(
                    bradley_terry(order, len(interesting), fit.spread, position=position),
                    interesting,
                )
                for order in orders
            ]
        )
        for position in (False, True)
    )

    def over_orders(what: str, known: float, found: Floats) -> Cell:
        return Cell(what, known, *map(float, (found.mean(), found.min(), found.max())))

    yield over_orders("AUC, Bradley-Terry, range of the same orders", 0.561, without)
    yield over_orders("AUC, with a term for position", 0.564, within)
    yield over_orders("what that term adds (0.564 - 0.561)", 0.003, within - without)
    yield Cell(
        "AUC, our strengths in one order; the range above",
        0.564,
        area,
        float(within.min()),
        float(within.max()),
    )
    value, error = fit.mean_first
    odds = np.exp([value, value - 1.96 * error, value + 1.96 * error])
    yield Cell("odds of the first shown, 95 %", 2.01, *map(float, odds))


def pairs() -> Iterator[Cell]:
    """Yield what two judges and humans prefer."""
    rows = read("mtbench_pairs.csv")
    known = {"GPT-4": (81.0, 51.0, 71.0), "ChatGPT": (71.3, 70.3, 67.2)}

    def share(chosen: Rows, is_so: Callable[[dict[str, str]], bool]) -> float:
        return 100 * sum(map(is_so, chosen)) / len(chosen)

    def longer(row: dict[str, str]) -> str:
        return "1" if int(row["characters_1"]) > int(row["characters_2"]) else "2"

    for judge, (agrees, first, long) in known.items():
        own = [row for row in rows if row["judge"] == judge]
        yield Cell(
            f"{judge} agrees with humans, %",
            agrees,
            share(own, lambda r: r["winner"] == r["human"]),
        )
        yield Cell(
            f"{judge} picks the first shown, %",
            first,
            share(own, lambda r: r["winner"] == r["shown_first"]),
        )
        yield Cell(
            f"{judge} picks the longer, %", long, share(own, lambda r: r["winner"] == longer(r))
        )
    once = list({row["pair"]: row for row in rows}.values())
    yield Cell("humans pick the longer, %", 69.5, share(once, lambda r: r["human"] == longer(r)))


def stories() -> Iterator[Cell]:
    """Yield how well judges' means of six criteria follow the humans' means of them."""
    totals: dict[tuple[str, str], dict[tuple[str, str], list[float]]] = {}
    for row in read("hanna_scores.csv"):
        judge = totals.setdefault((row["rater"], row["prompt"]), {})
        judge.setdefault((row["system"], row["story"]), []).append(float(row["score"]))
    stories = sorted(next(iter(totals.values())))
    means = {judge: np.array([np.mean(own[s]) for s in stories]) for judge, own in totals.items()}
    human = np.mean([mean for (name, _), mean in means.items() if name.startswith("human")], axis=0)
    models = {judge: m for judge, m in means.items() if not judge[0].startswith("human")}

    def correlation(values: Floats) -> float:
        return float(spearmanr(values, human).statistic)

    first = {judge: mean for judge, mean in models.items() if judge[1] == "1"}
    yield Cell("stories, best judge with one prompt", 0.57, max(map(correlation, first.values())))
    yield Cell(
        "three judges with one prompt", None, correlation(np.mean([*first.values()], axis=0))
    )
    yield Cell(
        "three judges with two prompts", None, correlation(np.mean([*models.values()], axis=0))
    )


def cells() -> Iterator[Cell]:
    """Yield every figure."""
    for part in (reviews, pairs, stories, duels):
        yield from part()


def main() -> None:
    """Print the table, and exit with 1 if a figure is another one than is known."""
    if not FOLDER.is_dir():
        sys.exit(f"{FOLDER} is missing: it has the recorded judgments")
    print(f"{'what':62} {'known':>7} {'found':>7}  range")
    wrong = 0
    for cell in cells():
        known = "" if cell.known is None else f"{cell.known:g}"
        spread = "" if cell.low is None else f"{cell.low:.3f} to {cell.high:.3f}"
        wrong += not cell.agrees
        verdict = "" if cell.agrees else "other"
        print(f"{cell.what:62} {known:>7} {cell.found:7.3f}  {spread} {verdict}")
    sys.exit(min(wrong, 1))


if __name__ == "__main__":
    main()
