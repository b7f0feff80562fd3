"""What a design can tell apart, before anything is paid for."""

from collections.abc import Collection, Sequence
from itertools import combinations
from typing import Final

import attrs
import numpy as np

from daydreaming_dagster.domain.statistics.judgments import Floats
from daydreaming_dagster.domain.statistics.unequal_counts import are_unequal
from daydreaming_dagster.formatting import chance, counted, money, plural

DEFAULT_ICC: Final = 0.19
"""How two experts' scores of the novelty of a research idea correlate (Si, Yang and Hashimoto,
"Can LLMs generate novel research ideas?", arXiv 2409.04109)."""

_EXPERIMENTS: Final = 4000
_FINALISTS: Final = 5


@attrs.frozen
class AssumedIcc:
    """How two scores of an item correlate, and where that is known from."""

    value: float = DEFAULT_ICC
    source: str = "assumed, as experts' of research ideas do"


def chance_that_the_best_comes_first(
    items: int, scores_per_item: float, icc: float = DEFAULT_ICC, duels_per_order: float = 0
) -> float:
    """Return how probably the item with the highest mean score is the truly best one.

    By simulation. Assumes that true values and errors are normal, that errors are independent, and
    that two scores of an item correlate by `icc`. The error of a mean is then that of Spearman and
    Brown's formula. With `duels_per_order`, the first five then duel, each pair so often in each
    order, and the one that wins most comes first. A duel is taken to go to the item to which one
    more score each would give more (Thurstone, "A law of comparative judgment", Psychological
    Review 34, 1927).
    """
    rng = np.random.default_rng(0)
    right = 0
    error = np.sqrt((1 - icc) / scores_per_item)
    for rows in np.array_split(np.arange(_EXPERIMENTS), 16):
        truth = np.sqrt(icc) * rng.standard_normal((len(rows), items))
        mean = truth + error * rng.standard_normal(truth.shape)
        if duels_per_order:
            mean = _after_duels(truth, mean, icc, 2 * duels_per_order, rng)
        right += int((truth.argmax(axis=1) == mean.argmax(axis=1)).sum())
    return right / _EXPERIMENTS


def _after_duels(
    truth: Floats, mean: Floats, icc: float, per_pair: float, rng: np.random.Generator
) -> Floats:
    """Return numbers of which the highest is that of the finalist who won most duels.

    If `per_pair` is no whole number, some pairs have one duel more than others.
    """
    finalists = min(_FINALISTS, truth.shape[1])
    chosen = np.argpartition(-mean, finalists - 1, axis=1)[:, :finalists]
    rows = np.arange(len(truth))[:, None]
    quality, wins = truth[rows, chosen], np.zeros(chosen.shape)
    made = 0
    for place, (other, one) in enumerate(combinations(range(finalists), 2), start=1):
        duels = round(place * per_pair) - made
        made += duels
        noise = np.sqrt(2 * (1 - icc)) * rng.standard_normal((len(truth), duels))
        won = (quality[:, one, None] - quality[:, other, None] + noise > 0).sum(axis=1)
        wins[:, one] += won
        wins[:, other] += duels - won
    result = np.full(mean.shape, -np.inf)
    result[rows, chosen] = wins + 1e-3 * mean[rows, chosen]  # the mean decides between equals
    return result


@attrs.frozen
class Price:
    """What a score or a duel costs on average, in USD; `at_least` if some have no known cost."""

    value: float
    at_least: bool = False

    @classmethod
    def of(cls, costs: Sequence[float | None]) -> "Price | None":
        """Return the mean of costs, those that are not known as 0; None if none is known."""
        known = [cost for cost in costs if cost is not None]
        return cls(sum(known) / len(costs), len(known) < len(costs)) if known else None

    def of_calls(self, calls: int) -> str:
        """Return what calls cost, such as `about 1.20 USD`."""
        return f"{'at least' if self.at_least else 'about'} {money(self.value * calls)} USD"


def say_what_can_be_told(
    counts: Collection[int], kind: str, icc: AssumedIcc | None = None, price: Price | None = None
) -> str:
    """Return what the scores of items tell, and what would tell more.

    Args:
        counts: How many scores each item has.
        kind: What an item is called.
        icc: How two scores of an item correlate; default: the one that is assumed of none.
        price: That of a score, None if it is not known.
    """
    items, scores = len(counts), sum(counts)
    if are_unequal(counts):
        return (
            f"{counted(items, kind)} have {min(counts)} to {max(counts):,} scores each; a run"
            f" with --until asks on where it is in doubt"
        )
    icc = icc or AssumedIcc()
    # A correlation of 1 or 0 or less, estimated from few scores, would promise all or nothing.
    value = min(max(icc.value, 0.01), 0.99)
    each = scores / items
    calls = 3 * scores
    orders = _FINALISTS * (_FINALISTS - 1) if items >= _FINALISTS else items * (items - 1)
    now = chance_that_the_best_comes_first(items, each, value)
    more = chance_that_the_best_comes_first(items, 4 * each, value)
    duels = chance_that_the_best_comes_first(items, each, value, calls / orders)
    cost = "" if price is None else f", {price.of_calls(calls)}"
    finalists = min(_FINALISTS, items)
    return (
        f"with {items:,} {plural(kind)} and {counted_scores(each)} each, the truly best comes first"
        f" with probability {chance(now)}; {3 * each:.3g} more scores each"
        f" ({counted(calls, 'call')}{cost}) give {chance(more)}, as many duels among the first"
        f" {finalists} give {chance(duels)} (two scores of one {kind} correlate by {value:.2g},"
        f" {icc.source})"
    )


def counted_scores(each: float) -> str:
    """Return how many scores an item has: `1 score`, `2.5 scores`."""
    return f"{each:.3g} {'score' if each == 1 else 'scores'}"
