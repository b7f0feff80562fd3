"""The whole analysis of a table of judgments, as the documents that `daydream analyse` prints."""

import math
from collections.abc import Sequence
from typing import Final, cast

import attrs
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.linalg import lsqr

from daydreaming_dagster.domain.statistics.bradley_terry import DuelFit, fit_duels
from daydreaming_dagster.domain.statistics.effects import Effect, Effects, estimate_effects
from daydreaming_dagster.domain.statistics.judge_model import ScoreFit, fit_scores
from daydreaming_dagster.domain.statistics.judgments import (
    TIE,
    Coded,
    Duels,
    Floats,
    JudgmentsError,
    Scores,
    sums,
)
from daydreaming_dagster.domain.statistics.ranks import (
    BestProbabilities,
    RankBands,
    best_of_estimates,
    best_of_posterior,
    rank_bands,
)
from daydreaming_dagster.domain.statistics.reliability import (
    Reliability,
    adjusted_icc,
    one_way_icc,
)
from daydreaming_dagster.domain.statistics.score_evidence import make_evidence
from daydreaming_dagster.formatting import counted

_NAMED: Final = 5
_NO_LEFT_OVER: Final = 1e-5
"""Of least squares: a smaller one is rounding."""

_DECIMALS: Final = 12
"""Of strengths: what is beyond them is rounding, and makes no order."""

TOP: Final = 3
"""Among how many best items it is told how probable an item is."""

Document = dict[str, object]


@attrs.frozen
class RankedItem:
    """An item with what is known of its place, as `daydream analyse` prints it.

    Attributes:
        item: Its name.
        estimate: Its estimate.
        low: Lower bound of the 95 % interval; None if nothing is known of it.
        high: Upper bound.
        rank_low: The best rank that it may have; all bands are right with at least 95 %
            probability.
        rank_high: The worst.
        p_best: How probable it is that it is the best.
        p_top: How probable it is that it is among the best three.
    """

    item: str
    estimate: float
    low: float | None
    high: float | None
    rank_low: int
    rank_high: int
    p_best: float
    p_top: float


@attrs.frozen
class Analysis:
    """The items in their order, and all that `daydream analyse --json` prints."""

    items: tuple[RankedItem, ...]
    document: Document

    @property
    def notes(self) -> list[str]:
        """What a reader must know before trusting the numbers."""
        return cast("list[str]", self.document["notes"])


@attrs.frozen
class RankedScores:
    """The items of scores in the order of their estimates, and the fit behind them."""

    fit: ScoreFit
    items: tuple[RankedItem, ...]


def rank_scores(scores: Scores) -> RankedScores:
    """Return the items in the order of their estimates."""
    fit = fit_scores(scores)
    low, high = fit.interval()
    bands = score_bands(fit)
    best = best_of_estimates(fit.estimate, fit.covariance, TOP, float(fit.df.min()))
    ranked = _ranked(scores.item.names, fit.estimate, (low, high), bands, best)
    return RankedScores(fit, tuple(ranked))


def score_bands(fit: ScoreFit) -> RankBands:
    """Return the rank bands of scores, all right with 98.25 % probability.

    Bands and findings about factors (`Effect.is_finding`) together err in 3.5 % of experiments.
    """
    df = float(fit.df.min())
    return rank_bands(fit.estimate, fit.covariance, df, fit.component, level=0.9825)


def rank_duels(duels: Duels, fit: DuelFit) -> tuple[RankedItem, ...]:
    """Return the items in the order of their strengths."""
    bands = rank_bands(fit.strength, fit.covariance, component=fit.component)
    best = best_of_posterior(fit.mixture.parts, TOP)
    strength = np.round(fit.strength, _DECIMALS) + 0.0  # and not -0.0
    return tuple(_ranked(duels.items, strength, fit.interval(), bands, best))


def analyse_scores(scores: Scores, cluster: str | None = None) -> Analysis:
    """Return the analysis of scores; errors of effects are clustered by this group, or by item.

    Raises:
        JudgmentsError: There is no such group, or it is not coarser than the items.
    """
    ranked = rank_scores(scores)
    fit = ranked.fit
    groups = {name: group for name, group in scores.groups.items() if name != cluster}
    effects = estimate_effects(attrs.evolve(scores, groups=groups), _clusters(scores, cluster))
    judge = scores.judge.codes
    adjusted = (scores.score - fit.scales.mean[judge]) * fit.scales.weight[judge]
    adjusted += (fit.scales.mean - fit.scales.mean.mean() - fit.severity)[judge]
    icc = one_way_icc(scores)
    used = scores.judge.counts()
    mean, scale = _means_and_scales(scores)
    document: Document = {
        "items": [attrs.asdict(item) for item in ranked.items],
        "judges": [
            {
                "judge": name,
                "mean": float(mean[code]),
                "scale": _known(scale[code]),
                "severity": float(fit.severity[code]),
                "noise": None if fit.noise_source == "none" else float(fit.noise[code]),
                "scores": int(used[code]),
            }
            for code, name in enumerate(scores.judge.names)
        ],
        "icc": {
            **_reliability(icc),
            "adjusted": _reliability(
                adjusted_icc(scores.item.codes, adjusted, scores.item.size, scores.judge.size)
            ),
        },
        "effects": [_effect(effect) for effect in effects.levels],
        "contrasts": [_effect(effect) for effect in effects.contrasts],
        "missing": scores.missing,
        "noise_from": fit.noise_source,
        "notes": _score_notes(scores, fit, effects),
    }
    return Analysis(ranked.items, document)


def analyse_duels(duels: Duels, prior: Scores | None = None) -> Analysis:
    """Return the analysis of duels, together with scores of the same items if there are any.

    Raises:
        JudgmentsError: Scores are given, but none of an item of the duels.
    """
    if prior is not None and not set(prior.item.names) & set(duels.items):
        raise JudgmentsError("the scores are of other items than the duels")
    counts = duels.judge.counts()
    # The discrimination of the mean judge is 1; judges without a verdict must not count in it.
    judge = duels.judge.only(np.ones(len(duels.first), dtype=np.bool_))
    place = {name: code for code, name in enumerate(judge.names)}
    told = attrs.evolve(duels, judge=judge, unreadable=duels.unreadable[counts > 0])
    fit = fit_duels(told, None if prior is None else make_evidence(duels.items, prior))
    value, error = fit.mean_first
    ties = np.bincount(duels.judge.codes[duels.first_wins == TIE], minlength=duels.judge.size)
    items = rank_duels(duels, fit)
    notes = _duel_notes(duels, fit)
    if prior is not None:
        fought = {*duels.items}
        if alone := [name for name in prior.item.names if name not in fought]:
            notes.append(_without("scores but no duel, and no rank", alone))
    document: Document = {
        "items": [_with_strength(item) for item in items],
        "first_odds": _odds(value, error),
        "judges": [
            {
                "judge": name,
                **_of_judge(fit, place.get(name)),
                "duels": int(counts[code]),
                "ties": int(ties[code]),
                "unreadable": int(duels.unreadable[code]),
            }
            for code, name in enumerate(duels.judge.names)
        ],
        "spread": fit.spread,
        "dispersion": fit.dispersion,
        "notes": notes,
    }
    if fit.score_slope is not None:
        slope, slope_error = fit.score_slope
        document["score_slope"] = _bounded(slope, slope_error)
        document["score_share"] = fit.score_share
    return Analysis(items, document)


def _means_and_scales(scores: Scores) -> tuple[Floats, Floats]:
    """Return the mean of each judge's scores, and their standard deviation."""
    judge, count = scores.judge.codes, scores.judge.counts()
    mean = sums(judge, scores.score, scores.judge.size) / count
    squares = sums(judge, (scores.score - mean[judge]) ** 2, scores.judge.size)
    with np.errstate(invalid="ignore"):
        return mean, np.sqrt(squares / (count - 1))


def _ranked(
    names: Sequence[str],
    estimate: Floats,
    interval: tuple[Floats, Floats],
    bands: RankBands,
    best: BestProbabilities,
) -> list[RankedItem]:
    order = sorted(range(len(names)), key=lambda place: (-estimate[place], names[place]))
    return [
        RankedItem(
            names[place],
            float(estimate[place]),
            _known(interval[0][place]),
            _known(interval[1][place]),
            int(bands.low[place]),
            int(bands.high[place]),
            float(best.best[place]),
            float(best.among_top[place]),
        )
        for place in order
    ]


def _clusters(scores: Scores, cluster: str | None) -> Coded | None:
    if cluster is None:
        return None
    if cluster not in scores.groups:
        raise JudgmentsError(f"there is no column {cluster!r} to cluster by")
    group = scores.groups[cluster]
    pairs = np.unique(scores.item.codes * group.size + group.codes)
    if len(pairs) > scores.item.size:
        item = scores.item.names[int(np.flatnonzero(np.diff(pairs // group.size) == 0)[0])]
        raise JudgmentsError(f"item {item!r} has more than one {cluster!r}, so that cannot cluster")
    return group


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _bounded(value: float, error: float) -> Document:
    return {"value": value, "low": value - 1.96 * error, "high": value + 1.96 * error}


def _odds(log: float, error: float) -> Document:
    return {
        "value": math.exp(log),
        "low": math.exp(log - 1.96 * error),
        "high": math.exp(log + 1.96 * error),
    }


def _of_judge(fit: DuelFit, place: int | None) -> Document:
    """Return what a judge's verdicts show of it; nothing if it has none."""
    if place is None:
        unknown: Document = {"value": None, "low": None, "high": None}
        return {"first_odds": unknown, "discrimination": unknown}
    discrimination: Document = {"value": 1.0, "low": None, "high": None}
    if len(fit.discrimination) > 1:  # of a single judge it is 1 by definition
        log = math.log(fit.discrimination[place])
        discrimination = _odds(log, fit.discrimination_errors[place])
    return {
        "first_odds": _odds(fit.first_log_odds[place], fit.first_errors[place]),
        "discrimination": discrimination,
    }


def _reliability(icc: Reliability) -> Document:
    known: Document = {name: _known(value) for name, value in attrs.asdict(icc).items()}
    return known


def _with_strength(item: RankedItem) -> Document:
    fields = attrs.asdict(item)
    return {"item": fields.pop("item"), "strength": fields.pop("estimate"), **fields}


def _effect(effect: Effect) -> Document:
    shown: Document = {
        name: _known(value) if isinstance(value, float) else value
        for name, value in attrs.asdict(effect).items()
    }
    if effect.than is None:
        del shown["than"]
    return {**shown, "finding": effect.is_finding}


def _score_notes(scores: Scores, fit: ScoreFit, effects: Effects) -> list[str]:
    notes: list[str] = []
    if scores.missing:
        are = "is" if scores.missing == 1 else "are"
        notes.append(f"{counted(scores.missing, 'judgment')} without a score {are} left out")
    if scores.unscored:
        notes.append(_without("no score and no rank", scores.unscored))
    if fit.agreed and fit.noise_source != "none":
        notes.append(
            "repeated judgments agree exactly: the intervals allow for differences that so few"
            " would not show"
        )
    pairs = np.unique(scores.item.codes * scores.judge.size + scores.judge.codes)
    if fit.noise_source == "replicates" and len(pairs) == scores.judge.size > 1:
        notes.append("each judge scored one item, so a judge's strictness counts as noise")
    elif fit.noise_source == "replicates":
        notes.append(
            "there is one judge, or too few items were scored by several: the intervals say how"
            " much the same judge would vary, not how much another would differ"
        )
    elif fit.noise_source == "total":
        notes.append(
            "too little is judged twice to tell noise from differences: all that differs is counted"
            " as noise; judge some items again"
        )
    elif fit.noise_source == "none":
        notes.append(
            "there is one score, so nothing shows how sure it is"
            if len(scores.score) == 1
            else "all scores are equal, so nothing shows how sure they are"
        )
    if (parts := int(fit.component.max()) + 1) > 1:
        notes.append(
            f"the items fall into {parts} parts that share no judge: they are not compared"
        )
    notes += [f"{name!r} is not analysed: {why}" for name, why in effects.left_out.items()]
    if any(math.isnan(effect.estimate) for effect in effects.levels):
        notes.append("some groups cannot be told apart: effects without an estimate")
    return notes


def _without(what: str, items: Sequence[str]) -> str:
    """Return a note about items that have none of something."""
    named = ", ".join(map(repr, items[:_NAMED])) + (", …" if len(items) > _NAMED else "")
    return f"{counted(len(items), 'item')} {'has' if len(items) == 1 else 'have'} {what}: {named}"


def _duel_notes(duels: Duels, fit: DuelFit) -> list[str]:
    notes: list[str] = []
    if (parts := int(fit.component.max()) + 1) > 1:
        notes.append(f"the items fall into {parts} parts that were never compared with each other")
    if fit.dispersion > 1:
        notes.append(
            f"repeated duels of a pair agree more than chance: information is divided by"
            f" {fit.dispersion:.2f}"
        )
    if len(duels.first) and not _shows_position(duels):
        notes.append(
            "nothing tells a preference for what is shown first from strength: judge some pairs in"
            " the other order, too"
        )
    return notes


def _shows_position(duels: Duels) -> bool:
    """Return whether strengths alone cannot stand for any preference for what is shown first.

    They can if the items have levels of which each first one is one above its second.
    """
    pairs = np.unique(np.stack([duels.first, duels.second], axis=1), axis=0)
    rows, ones = np.arange(len(pairs)), np.ones(len(pairs))
    design = coo_array(
        (np.concatenate([ones, -ones]), (np.tile(rows, 2), pairs.T.ravel())),
        shape=(len(pairs), len(duels.items)),
    )
    left_over = lsqr(design.tocsr(), ones)[3]
    return bool(left_over > _NO_LEFT_OVER)
