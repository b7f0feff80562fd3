"""The additive model of scores: items differ, judges differ in mean and scale, the rest is noise.

The model is that of Fleiss, "The Design and Analysis of Clinical Experiments" (1986), chapter 1.
Its solution with missing cells and random judges is that of Henderson, "Best linear unbiased
estimation and prediction under a selection model", Biometrics 31 (1975).
"""

from typing import Literal

import attrs
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.special import stdtrit

from daydreaming_dagster.domain.statistics.agreement import (
    NO_NOISE,
    least_variance,
    smallest_step,
)
from daydreaming_dagster.domain.statistics.covariance import Covariance, pseudo_inverse
from daydreaming_dagster.domain.statistics.judge_scales import (
    Cells,
    JudgeScales,
    judge_scales,
    make_cells,
)
from daydreaming_dagster.domain.statistics.judgments import (
    Coded,
    Floats,
    Indices,
    Scores,
    sums,
)
from daydreaming_dagster.domain.statistics.moderated_variance import moderated_variances

NoiseSource = Literal["judges", "replicates", "total", "none"]


@attrs.frozen
class ScoreFit:
    """Estimates of the items' effects.

    Attributes:
        estimate: Each item's expected score, averaged over all judges, on their common scale.
        covariance: Of the estimates.
        df: The degrees of freedom of each estimate's variance.
        component: Items of different components share no judge, even indirectly.
        scales: The judges' means and scales.
        severity: How much more than the average judge each judge gives the same items.
        noise: The standard deviation of what each judge gives an item, beyond the model.
        noise_source: What shows the noise: `judges`, who disagree about the same items;
            `replicates`, if no two judges scored the same items; `total`, if nothing shows it, and
            all that differs is counted as noise; `none`, if nothing differs.
        agreed: Whether all that was judged more than once agrees exactly. Then the noise is that
            of `least_variance`.
    """

    estimate: Floats
    covariance: Covariance
    df: Floats
    component: Indices
    scales: JudgeScales
    severity: Floats
    noise: Floats
    noise_source: NoiseSource
    agreed: bool

    def interval(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """Return the bounds of each estimate; `nan` if nothing differs, so nothing is known."""
        margin = np.sqrt(self.covariance.variances()) * stdtrit(self.df, 0.5 + level / 2)
        if self.noise_source == "none":
            margin = np.full_like(margin, np.nan)
        return self.estimate - margin, self.estimate + margin


@attrs.frozen
class _Design:
    """Which judge scored which item.

    Attributes:
        cells: The cells, their means on the common scale.
        per_item: How many judges scored each item.
        incidence: Items by judges, 1 where there is a cell.
        share: Each judge's share in the mean of each item.
        reduced: What the judges' effects are multiplied by once the items are eliminated.
        component: The component of each item.
    """

    cells: Cells
    per_item: Floats
    incidence: Floats
    share: Floats
    reduced: Floats
    component: Indices

    @property
    def components(self) -> int:
        return int(self.component.max()) + 1

    def item_sums(self, values: Floats) -> Floats:
        return sums(self.cells.item, values, len(self.per_item))

    def judge_sums(self, values: Floats) -> Floats:
        return sums(self.cells.judge, values, len(self.reduced))


def fit_scores(scores: Scores) -> ScoreFit:
    """Return the estimates of the additive model.

    Each judge's scores are first brought to the common scale (`judge_scales`). Then the mean of
    what judge j gives item i is `item_i + judge_j + noise_ij`. Every judge has the same voice:
    judges are not weighted by how well they agree with the others, because judges that share a
    model agree with each other, right or wrong. The noise contains a judge's taste for an item: it
    is estimated from disagreement between judges, and from repetition only if that is all there is.
    If all agree exactly, some noise is assumed nevertheless (`least_variance`).

    Assumes that noise is independent between cells, that a judge's noise has one variance (where
    repetition shows it, each item has its own: `moderated_variances`), and that a score is missing
    for reasons that have nothing to do with what it would have been. Judges' effects are random if
    not every judge scored every item, so that a judge of few items still tells something; their
    variance is estimated by Henderson's method 3. If each judge scored one item, judges are taken
    as drawn at random for it.
    """
    # So that what counts as rounding does not depend on where the scale begins.
    centre = float(np.median(scores.score))
    fit = _fit(attrs.evolve(scores, score=scores.score - centre))
    scales = attrs.evolve(fit.scales, mean=fit.scales.mean + centre)
    return attrs.evolve(fit, estimate=fit.estimate + centre, scales=scales)


def _fit(scores: Scores) -> ScoreFit:
    cells = make_cells(scores)
    items, judges = scores.item.size, scores.judge.size
    scales = judge_scales(cells, judges)
    if judges > 1 and len(cells.item) == judges:
        return _fit_strangers(scores, scales)
    level = scales.mean[cells.judge]
    cells = attrs.evolve(
        cells,
        mean=level + (cells.mean - level) * scales.weight[cells.judge],
        within=cells.within * scales.weight[cells.judge] ** 2,
    )
    return _solve(_design(cells, items, judges), scales)


def _fit_strangers(scores: Scores, scales: JudgeScales) -> ScoreFit:
    """Return the estimates if each judge scored one item: then strictness is part of the noise."""
    judges, cells = scores.judge.size, make_cells(scores)
    anyone = Coded(("",), np.zeros(judges, dtype=np.int64))
    means = Scores(Coded(scores.item.names, cells.item), anyone, cells.mean)
    fit = _fit(means)
    noise = np.full(judges, fit.noise[0])
    return attrs.evolve(fit, scales=scales, severity=np.zeros(judges), noise=noise)


def _design(cells: Cells, items: int, judges: int) -> _Design:
    incidence = np.zeros((items, judges))
    incidence[cells.item, cells.judge] = 1
    per_item = incidence.sum(axis=1)
    share = incidence / per_item[:, None]
    reduced = np.diag(incidence.sum(axis=0)) - incidence.T @ share
    edges = coo_array(
        (np.ones(len(cells.item)), (cells.item, cells.judge + items)),
        shape=(items + judges, items + judges),
    )
    component = connected_components(edges, directed=False)[1][:items].astype(np.int64)
    return _Design(cells, per_item, incidence, share, reduced, component)


def _solve(design: _Design, scales: JudgeScales) -> ScoreFit:
    cells = design.cells
    centred = cells.mean - (design.item_sums(cells.mean) / design.per_item)[cells.item]
    observed = design.judge_sums(centred)
    fixed = pseudo_inverse(design.reduced)
    effects = fixed @ observed
    residuals = centred - effects[cells.judge] + (design.share @ effects)[cells.item]
    source, pooled, df, agreed = _pooled_noise(design, residuals)
    strictness = _strictness_variance(design, float(observed @ effects), pooled)
    inverse = _random_inverse(design.reduced, pooled, strictness)
    severity = inverse @ observed
    if source == "judges":
        noise, noise_df = _noise_per_judge(design, residuals, pooled, df)
        variance, variance_df = _cell_variances(design, noise), noise_df[cells.judge]
    else:
        noise = np.full(len(scales.mean), pooled)
        variance, variance_df = noise[cells.judge], np.full(len(cells.mean), float(df))
    if source == "replicates":
        if not agreed:
            variance, variance_df = moderated_variances(cells.within, cells.count - 1.0)
        variance = variance / cells.count
    parts = variance / design.per_item[cells.item] ** 2
    return ScoreFit(
        np.asarray(design.item_sums(cells.mean - severity[cells.judge]) / design.per_item),
        _covariance(design, variance, inverse, strictness),
        _satterthwaite(design, parts, variance_df, df),
        design.component,
        scales,
        severity,
        np.sqrt(noise),
        source,
        agreed,
    )


def _pooled_noise(design: _Design, residuals: Floats) -> tuple[NoiseSource, float, int, bool]:
    """Return what shows the noise, its variance per cell (per score of `replicates`), its df.

    And whether all agreed, so that nothing but the scale's step shows it.
    """
    cells = design.cells
    items, judges = design.incidence.shape
    between_df = len(cells.mean) - items - judges + design.components
    within_df = cells.within_df
    smallest = NO_NOISE * float((cells.mean**2).max())
    if between_df > 0:
        source: NoiseSource = "judges"
        variance, df = float(residuals @ residuals) / between_df, between_df
    elif within_df > 0:
        source, variance, df = "replicates", float(cells.within.sum()) / within_df, within_df
    else:
        total = float(cells.mean.var(ddof=1)) if len(cells.mean) > 1 else 0.0
        source, variance, df = "total", total, max(len(cells.mean) - 1, 1)
    if variance > smallest:
        return source, variance, df, False
    steps = [smallest_step(cells.mean[cells.judge == judge]) for judge in range(judges)]
    step = min((step for step in steps if step is not None), default=None)
    if step is None or source == "total":
        return "none", 0.0, df, True
    # Means agree by chance if what they are the means of does not.
    repeated = float(cells.within.sum()) / max(within_df, 1) / float(cells.count.mean())
    return source, max(least_variance(step, df), repeated), df, repeated <= smallest


def _strictness_variance(design: _Design, reduction: float, noise: float) -> float:
    """Return the variance of the judges' effects.

    If some items share no judge with others, all that differs between such components may be the
    judges' doing: the variance is then at least what that would need.
    """
    judges = len(design.reduced)
    freedom = float(np.trace(design.reduced))
    rank = judges - design.components
    variance = max(0.0, (reduction - noise * rank) / freedom) if freedom > 0 else 0.0
    if design.components > 1:
        per_component = np.bincount(design.component[design.cells.item])
        sums = np.bincount(design.component[design.cells.item], weights=design.cells.mean)
        means = sums / per_component
        variance = max(variance, float(means.var(ddof=1)) * judges / design.components)
    return variance


def _random_inverse(reduced: Floats, noise: float, strictness: float) -> Floats:
    """Return the inverse of Henderson's equations for the judges, who are all alike without one."""
    if strictness <= 0:
        return np.zeros_like(reduced)
    return pseudo_inverse(reduced + noise / strictness * np.eye(len(reduced)))


def _noise_per_judge(
    design: _Design, residuals: Floats, pooled: float, df: int
) -> tuple[Floats, Floats]:
    """Return the noise variance of each judge, and its degrees of freedom.

    The residuals' squares are solved for the judges' variances (Grubbs, "On estimating precision of
    measuring instruments and product variability", JASA 43, 1948), which are shrunk towards the
    pooled one by how much they differ beyond sampling error.
    """
    per_judge = design.incidence.sum(axis=0)
    own_df = np.maximum(df * per_judge / per_judge.sum(), 0.5)
    squares = design.judge_sums(residuals**2)
    weights = 1 / design.per_item
    expected = np.diag(design.incidence.T @ (1 - 2 * weights)) + design.incidence.T @ (
        design.incidence * weights[:, None] ** 2
    )
    expected *= (1 - 1 / np.maximum(per_judge, 2))[:, None]
    raw = np.maximum(np.linalg.lstsq(expected, squares, rcond=1e-8)[0], 0.0)
    sampling = 2 * pooled**2 / own_df
    spread = max(0.0, float(((raw - pooled) ** 2 - sampling).mean()))
    kept = spread / (spread + sampling) if spread > 0 else np.zeros_like(raw)
    shrunk = pooled + kept * (raw - pooled)
    total = float(per_judge @ shrunk) / per_judge.sum()
    return shrunk * (pooled / total if total > 0 else 0.0), np.minimum(
        float(df), own_df / np.maximum(kept, 1e-9)
    )


def _cell_variances(design: _Design, noise: Floats) -> Floats:
    """Return each cell's variance: more replicates than other cells have make it smaller."""
    cells = design.cells
    per_cell = noise[cells.judge]
    if cells.within_df == 0 or np.ptp(cells.count) == 0:
        return per_cell
    within = cells.within.sum() / cells.within_df
    less = within * (1 / cells.count - (1 / cells.count).mean())
    return np.asarray(np.maximum(per_cell + less, within / cells.count))


def _covariance(
    design: _Design, variance: Floats, inverse: Floats, strictness: float
) -> Covariance:
    """Return the covariance of the items' estimates.

    An estimate is the mean of the item's cells minus the estimated effects of their judges, which
    is linear in the cells. Each cell has its own variance, so this is the sandwich of that linear
    map, plus the part of the random effects of judges that the design leaves in the estimates.
    """
    items, judges = design.incidence.shape
    cells, share = design.cells, design.share
    per_cell = np.zeros((items, judges))
    per_cell[cells.item, cells.judge] = variance
    total = per_cell.sum(axis=1)
    crossed = (
        -(per_cell / design.per_item[:, None] - share * (total / design.per_item)[:, None])
        @ inverse
    )
    middle = (
        np.diag(per_cell.sum(axis=0))
        - per_cell.T @ share
        - share.T @ per_cell
        + share.T @ (share * total[:, None])
    )
    left_over = np.eye(judges) - inverse @ design.reduced - 1 / judges
    spread = inverse @ middle @ inverse + strictness * left_over @ left_over.T
    return Covariance(
        total / design.per_item**2,
        np.hstack([crossed, share]),
        np.hstack([share, crossed + share @ spread]),
    )


def _satterthwaite(design: _Design, parts: Floats, dfs: Floats, pooled_df: int) -> Floats:
    """Return the degrees of freedom of each item's variance, which is a sum over its cells.

    Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics
    Bulletin 2 (1946). No variance has more than the pooled one.
    """
    own = design.item_sums(parts)
    spread = design.item_sums(parts**2 / dfs)
    with np.errstate(invalid="ignore", divide="ignore"):
        df = np.where(spread > 0, own**2 / spread, pooled_df)
    return np.minimum(df, pooled_df)
