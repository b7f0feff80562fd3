"""Which items have the highest scores for certain, whenever one looks, and which to score next."""

from collections.abc import Collection, Sequence
from typing import Final

import attrs
import numpy as np

from daydreaming_dagster.domain.statistics.agreement import least_variance, smallest_step
from daydreaming_dagster.domain.statistics.judge_scales import judge_scales, make_cells
from daydreaming_dagster.domain.statistics.judgments import Coded, Floats, Indices, Scores

_ERROR: Final = 0.05


@attrs.frozen
class TopScores:
    """How sure it is which items have the highest mean scores under their judges.

    Attributes:
        order: The items, the highest mean first.
        in_doubt: Pairs of an item among the first places and one that is not, of which it is not
            certain that the former is better: the closest in units of their noise first.
        variance: Of each item's mean, as its rounds show it; infinite without a round.
    """

    order: Indices
    in_doubt: Indices
    variance: Floats


def top_scores(rounds: Sequence[Floats], places: int) -> TopScores:
    """Return how sure it is that the items with the highest means are the truly highest.

    A round of an item is one score by each judge, so its mean is what these judges, and no others,
    would give it on average: what they all get wrong stays in it. Their scales are equated as in
    the ranking (`judge_scales`), and then taken as known.

    A pair is certain if no means of which the first is not higher are compatible with the rounds.
    Those of two items with n rounds each are compatible unless the mixture martingales of both,
    with normal priors of the variance of one round, multiply to more than pairs / 0.05. By Ville's
    inequality, that happens to the true means of any pair in 5 % of experiments at most, however
    often one looks and whatever chooses which item is scored next: Robbins, "Statistical methods
    related to the law of the iterated logarithm", Annals of Mathematical Statistics 41 (1970);
    for products over items, Kaufmann and Koolen, "Mixture martingales revisited with applications
    to sequential tests and confidence intervals", JMLR 22 (2021). With an unknown variance, they
    are ratios of t densities (Lai, "On confidence sequences", Annals of Statistics 4, 1976).

    Assumes that rounds are independent and about normal. The variance of an item's rounds is that
    which all items show together; its own, if that is more; or that of a next score which differs
    by a step of the scale, if that is more yet (`least_variance`): scores that never differ are not
    certain.

    Args:
        rounds: The scores of each item, rounds by judges. All items have the same judges.
        places: How many first places are asked about; fewer than items.
    """
    means, variances, df = _means(rounds)
    count = np.array([len(of_item) for of_item in rounds], dtype=np.float64)
    order = np.argsort(-means, kind="stable")
    above, below = (side.ravel() for side in np.meshgrid(order[:places], order[places:]))
    lead = means[above] - means[below]
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.where(count > 0, variances / count, np.inf)
        closeness = np.nan_to_num(lead**2 / (variance[above] + variance[below]))
    # The ratio of both densities is at least the limit where the lead exceeds `needed`.
    more = 1 + count
    limit = (len(above) / _ERROR * np.sqrt(more[above] * more[below])) ** (2 / (df + 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = sum(
            np.where(limit < more[side], variance[side] / (1 - limit / more[side]), np.inf)
            for side in (above, below)
        ) * (df * (limit - 1))
    doubtful = np.flatnonzero(~(lead**2 > needed))
    doubtful = doubtful[np.argsort(closeness[doubtful], kind="stable")]
    return TopScores(order, np.stack([above, below], axis=1)[doubtful], variance)


def items_in_doubt(top: TopScores, without: Collection[int] = ()) -> list[int]:
    """Return the items to score next, about a fifth of all, without some.

    They are items of the pairs that are most in doubt: of a pair, the one whose mean is known less,
    or both if they are known alike. Kalyanakrishnan, Tewari, Auer and Stone score both items of the
    closest pair, "PAC subset selection in stochastic multi-armed bandits", ICML 2012.
    """
    found: dict[int, None] = {}
    for pair in top.in_doubt.tolist():
        least_known = top.variance[pair].max()
        found |= {
            item: None for item in pair if top.variance[item] == least_known and item not in without
        }
        if len(found) >= max(2, len(top.order) // 5):
            break
    return list(found)


def more_rounds(rounds: int) -> int:
    """Return how many rounds an item gets next, so that one looks less often the more it has."""
    return 1 + rounds // 10


def _means(rounds: Sequence[Floats]) -> tuple[Floats, Floats, int]:
    """Return each item's mean, the variance of one of its rounds, and its degrees of freedom."""
    weights, steps = _judges(rounds)
    totals = [of_item @ weights for of_item in rounds]
    known = [float(total.mean()) for total in totals if len(total)]
    anyone = float(np.mean(known)) if known else 0.0
    means = np.array([total.mean() if len(total) else anyone for total in totals])
    squares = np.array(
        [((total - total.mean()) ** 2).sum() if len(total) else 0.0 for total in totals]
    )
    repeats = np.array([max(len(total) - 1, 0) for total in totals])
    df = int(repeats.sum())
    pooled = squares.sum() / df if df else 0.0
    own = squares / np.maximum(repeats, 1)
    step = float((weights**2 * steps**2).sum())
    least = np.array([least_variance(1.0, int(repeat)) for repeat in repeats]) * step
    return means, np.maximum(np.maximum(own, pooled), least), df


def _judges(rounds: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Return each judge's weight in a round, and the smallest step of its scale."""
    items = np.repeat(np.arange(len(rounds)), [of_item.size for of_item in rounds])
    every = np.concatenate([of_item.ravel() for of_item in rounds])
    judges = rounds[0].shape[1]
    codes = np.concatenate([np.tile(np.arange(judges), len(of_item)) for of_item in rounds])
    names = tuple(map(str, range(max(judges, len(rounds)))))
    scores = Scores(Coded(names[: len(rounds)], items), Coded(names[:judges], codes), every)
    weights = judge_scales(make_cells(scores), judges).weight
    steps = [smallest_step(every[codes == judge].tolist()) for judge in range(judges)]
    known = [step for step in steps if step is not None]
    largest = max(known, default=0.0)  # of a judge who gave all the same, the step is not known
    return weights / weights.sum(), np.array([largest if s is None else s for s in steps])
