"""Effects of factors on scores, with errors clustered by what scores share."""

from collections.abc import Mapping
from itertools import combinations
from typing import Final

import attrs
import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

from daydreaming_dagster.domain.statistics.clustered import Clustered, fit_clustered
from daydreaming_dagster.domain.statistics.judgments import (
    Coded,
    Floats,
    Indices,
    Scores,
    sums,
)

_ROUNDING: Final = 1e-9
"""How large an error of rounding may be, as a share of the scores."""
_DRAWS: Final = 20_000
FINDING: Final = 0.0175
"""With the rank bands, which err as often, fewer than 5 % of 1,000 experiments without any effect
find something, even by bad luck."""
_MOST_JUDGES: Final = 60
"""More judges than this are eliminated first, and what they do to single errors is neglected."""
_MOST_CONTRASTS: Final = 500
"""If a group has more pairs of levels than this, levels are compared with their mean only."""


@attrs.frozen
class Effect:
    """How much a level of a group differs from another, or from the mean of the group's levels.

    Attributes:
        group: The factor.
        level: Its level.
        than: The level that it is compared with; None for the mean of the levels that have several
            clusters, or of all levels if fewer than two have.
        estimate: The difference, in units of the scores.
        error: Its standard error; `nan` if unknown.
        low: Lower bound of the 95 % interval of this difference alone; `nan` if unknown.
        high: Upper bound.
        p: The p value of this difference alone.
        p_corrected: The p value corrected for all differences that are returned with this one.
    """

    group: str
    level: str
    than: str | None
    estimate: float
    error: float
    low: float
    high: float
    p: float
    p_corrected: float

    @property
    def is_finding(self) -> bool:
        """Whether it is different from 0, so that chance finds anything in 1.75 % of experiments.

        The rank bands of the same scores err as often.
        """
        return self.p_corrected < FINDING


@attrs.frozen
class Effects:
    """What the groups do to the scores.

    Attributes:
        levels: Each level against the mean of its group's levels, see `Effect.than`.
        contrasts: Each level against each later one of its group.
        left_out: Groups without an estimate, and why.
    """

    levels: tuple[Effect, ...]
    contrasts: tuple[Effect, ...]
    left_out: Mapping[str, str]


@attrs.frozen
class _Difference:
    group: str
    level: str
    than: str | None
    weights: Floats
    clusters: int


def estimate_effects(
    scores: Scores,
    cluster: Coded | None = None,
    alone: Mapping[str, Coded] | None = None,
    weights: Floats | None = None,
) -> Effects:
    """Return the main effects of the groups, each adjusted for the others and for the judges.

    Least squares on the levels of all groups, in which each score has its weight (default: all
    the same; see `replicate_weights`). Judges' means are taken out if a group varies within judges;
    groups that are properties of the judges are compared without that, and say something of these
    judges only. Errors are clustered by item, or by `cluster`, which must be
    coarser than items (a draft, of which several essays were made). Scores of one cluster may be
    correlated in any way; so differences within clusters are paired.

    Groups in `alone` are not adjusted for other groups: each is one of several that determine each
    other, such as whether a concept is there or not. Each has its own clusters.

    P values are corrected by the joint normal distribution of all differences: Hothorn, Bretz and
    Westfall, "Simultaneous inference in general parametric models", Biometrical Journal 50 (2008),
    with each t value first turned into the normal value of the same p value.
    """
    cluster, alone = cluster or scores.item, alone or {}
    weights = np.ones(len(scores.score)) if weights is None else weights
    left_out: dict[str, str] = {}
    between_judges: list[str] = []
    within_judges: list[str] = []
    for name, group in scores.groups.items():
        if group.size == 1:
            left_out[name] = "it has one level"
        elif group.size > (units := alone.get(name, cluster).size) / 2:
            left_out[name] = f"it has {group.size} levels for {units} independent units"
        elif name in alone:
            continue
        elif _is_function_of(group, scores.judge) and scores.judge.size > 1:
            between_judges.append(name)
        else:
            within_judges.append(name)
    found: list[_Fitted] = []
    for names, adjust in ((within_judges, True), (between_judges, False)):
        if names:
            found.append(_fit(scores, weights, names, cluster, adjust=adjust))
    found += [
        _fit(scores, weights, [name], own, adjust=not _is_function_of(column, scores.judge))
        for name, own in alone.items()
        if (column := scores.groups.get(name)) is not None and name not in left_out
    ]
    effects = _correct(found, _ROUNDING * float(np.abs(scores.score).max()))
    return Effects(
        tuple(effect for effect in effects if effect.than is None),
        tuple(effect for effect in effects if effect.than is not None),
        left_out,
    )


@attrs.frozen
class _Fitted:
    differences: tuple[_Difference, ...]
    fit: Clustered


def _is_function_of(group: Coded, judge: Coded) -> bool:
    return len(np.unique(judge.codes * group.size + group.codes)) == len(np.unique(judge.codes))


def _fit(
    scores: Scores, given: Floats, names: list[str], cluster: Coded, *, adjust: bool
) -> _Fitted:
    """Fit the groups of these names together; `adjust` takes the judges' means out."""
    groups = [scores.groups[name] for name in names]
    judge = scores.judge.codes if adjust else np.zeros_like(scores.judge.codes)
    rows = np.stack([cluster.codes, judge, *(group.codes for group in groups)], axis=1)
    distinct, inverse = np.unique(rows, axis=0, return_inverse=True)
    weights = sums(inverse.ravel(), given, len(distinct))
    outcome = sums(inverse.ravel(), given * scores.score, len(distinct)) / weights
    levels = np.hstack(
        [np.eye(group.size)[distinct[:, 2 + place]] for place, group in enumerate(groups)]
    )
    cells, judge = distinct[:, 0], distinct[:, 1]
    judges = int(judge.max()) + 1
    differences = _differences(names, groups, cluster)
    if judges <= _MOST_JUDGES:
        columns = np.hstack([levels, np.eye(judges)[judge]])
        spare = np.zeros(judges)
        differences = [
            attrs.evolve(difference, weights=np.append(difference.weights, spare))
            for difference in differences
        ]
    else:
        columns = np.stack([_centred(column, judge, weights) for column in levels.T], axis=1)
        outcome = _centred(outcome, judge, weights)
    return _Fitted(tuple(differences), fit_clustered(columns, outcome, cells, weights))


def _centred(values: Floats, judge: Indices, weights: Floats) -> Floats:
    """Return the values minus the mean of their judge."""
    size = int(judge.max()) + 1
    means = sums(judge, weights * values, size) / sums(judge, weights, size)
    return np.asarray(values - means[judge])


def _differences(names: list[str], groups: list[Coded], cluster: Coded) -> list[_Difference]:
    size = sum(group.size for group in groups)
    differences: list[_Difference] = []
    start = 0
    for name, group in zip(names, groups, strict=True):
        units = np.array(
            [len(np.unique(cluster.codes[group.codes == level])) for level in range(group.size)]
        )
        own = np.zeros((group.size, size))
        own[:, start : start + group.size] = np.eye(group.size)
        start += group.size
        several = units > 1
        # A level with one cluster has no error, and would leave the mean of all without one.
        are_enough = int(several.sum()) > 1
        mean = own[several].mean(axis=0) if are_enough else own.mean(axis=0)
        differences += [
            _Difference(
                name, level, None, own[code] - mean, units[code] if are_enough else units.min()
            )
            for code, level in enumerate(group.names)
        ]
        if group.size * (group.size - 1) / 2 <= _MOST_CONTRASTS:
            differences += [
                _Difference(
                    name, group.names[a], group.names[b], own[a] - own[b], min(units[a], units[b])
                )
                for a, b in combinations(range(group.size), 2)
            ]
    return differences


def _correct(found: list[_Fitted], rounding: float) -> list[Effect]:
    """Return all differences with their intervals and p values.

    What is below `rounding` is 0. A difference without an error, since nothing varies within its
    levels, has no interval: scores on a coarse scale that agree do not show that they always do.

    The error of a difference is unknown, too, if a level has one cluster, or if the groups cannot
    be told apart.
    """
    rng = np.random.default_rng(0)
    largest = np.zeros(_DRAWS)
    parts: list[tuple[_Difference, float, float, float, float, float]] = []
    for fitted in found:
        contrasts = np.array([difference.weights for difference in fitted.differences])
        error, df = fitted.fit.errors(contrasts)
        several = np.array([difference.clusters > 1 for difference in fitted.differences])
        told = fitted.fit.is_estimable(contrasts)
        known = told & several & (error > rounding)
        estimate = contrasts @ fitted.fit.coefficients
        estimate[np.abs(estimate) < rounding] = 0.0
        margin = np.where(known, error * stdtrit(df, 0.975), np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            p = np.where(known, 2 * stdtr(df, -np.abs(estimate) / error), np.nan)
        estimate = np.where(told, estimate, np.nan)
        if known.any():
            largest = np.maximum(largest, _largest(fitted.fit, contrasts[known], rng))
        columns = estimate, np.where(known, error, np.nan), margin, p, -ndtri(p / 2)
        parts += zip(fitted.differences, *columns, strict=True)
    largest.sort()
    effects: list[Effect] = []
    for difference, value, spread, half, tail, z in parts:
        beyond = _DRAWS - int((largest < z).sum())
        corrected = max(float(tail), min((beyond + 1) / (_DRAWS + 1), 1.0))  # a nan p stays
        effects.append(
            Effect(
                difference.group,
                difference.level,
                difference.than,
                float(value),
                float(spread),
                float(value - half),
                float(value + half),
                float(tail),
                corrected,
            )
        )
    return effects


def _largest(fit: Clustered, contrasts: Floats, rng: np.random.Generator) -> Floats:
    """Return draws of the largest absolute value of these contrasts if none has an effect."""
    pulls = contrasts @ fit.pulls.T
    root = pulls / np.sqrt((pulls**2).sum(axis=1))[:, None]
    if root.shape[1] > root.shape[0]:
        values, vectors = np.linalg.eigh(root @ root.T)
        root = vectors * np.sqrt(np.maximum(values, 0))
    largest = np.zeros(_DRAWS)
    for rows in np.array_split(np.arange(_DRAWS), 20):
        draws = rng.standard_normal((len(rows), root.shape[1])) @ root.T
        largest[rows] = np.abs(draws).max(axis=1)
    return largest
