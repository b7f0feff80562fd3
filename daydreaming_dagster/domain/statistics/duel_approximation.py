"""What duels make known of strengths, by expectation propagation over a grid of spreads."""

import math
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import attrs
import numpy as np
from scipy.sparse import diags_array

from daydreaming_dagster.domain.statistics.covariance import inverse_by_parts
from daydreaming_dagster.domain.statistics.duel_likelihood import (
    Curves,
    LogOdds,
    Problem,
    State,
    design_matrix,
    log_odds,
    mean_curves,
    tie_excess,
    tilted,
)
from daydreaming_dagster.domain.statistics.judgments import Floats

DISCRIMINATION_VARIANCE: Final = 0.25
_TIE_VARIANCE: Final = 10.0
_SPREAD_SCALE: Final = 2.0
_SPREAD_DF: Final = 2.0
"""The strengths' standard deviation has a half-t prior, which excludes no spread: Gelman, "Prior
distributions for variance parameters in hierarchical models", Bayesian Analysis 1 (2006)."""
_MOST_STEPS: Final = 200
_MOST_MOVES: Final = 20
_TOLERANCE: Final = 3e-3
_PRECISE: Final = 1e-3
_DAMPING: Final = 0.5
"""Factors that swing move less far."""
_STRIDE: Final = 0.9
"""EM's own step of a log standard deviation is 0.5 of that of the variance; this needs fewer."""
_ROUGH: Final = 0.1
_NEAR: Final = 0.01
_FLATTEST: Final = -0.02
_STEEPEST: Final = -1.5
_LONGEST: Final = 0.7
_PROBE: Final = 0.2
_FAR: Final = 0.1
_WIDEST_STEP: Final = 0.3
_NARROW: Final = 0.08
"""To average over a spread that is known to 8 % would widen intervals by 0.3 % on average."""
_MOST_SPREADS: Final = 20
_WIDEST_SPREAD: Final = 30.0
"""Verdicts cannot tell it from wider ones: all are certain."""
_NEGLIGIBLE: Final = -4.0
_STEPS_OF_AITKEN: Final = 4
_STRAIGHT: Final = 0.9
_SLOW: Final = 0.5
_SLOWEST: Final = 0.97


def settle(problem: Problem, state: State, tolerance: float = _TOLERANCE) -> None:
    """Move the state to the fixed point of expectation propagation at its spread.

    Minka, "Expectation propagation for approximate Bayesian inference", UAI 2001, all factors at
    once, as in Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, section
    3.6. The likelihood is log-concave, so that every cavity is proper. Weights of ties and
    discriminations move to their maximum.
    """
    damping, before, path = 1.0, math.inf, [_of_judges(state)]
    for _ in range(_MOST_STEPS):
        moved = _step(problem, state, damping)
        if moved < tolerance:
            break
        if moved > before:
            damping = _DAMPING
        path = _accelerated(state, path)
        before = moved if len(path) > 1 else math.inf


def _of_judges(state: State) -> Floats:
    return np.concatenate([state.ties, np.log(state.discrimination)])


def _accelerated(state: State, path: list[Floats]) -> list[Floats]:
    """Move what is estimated of judges to where slow steps lead; return their path from there.

    While strengths take over a part of each step, the steps shrink by nearly the same factor, so
    their sum is known (Aitken, "On Bernoulli's numerical solution of algebraic equations",
    Proceedings of the Royal Society of Edinburgh 46, 1926).
    """
    path = [*path, _of_judges(state)]
    if len(path) < _STEPS_OF_AITKEN:
        return path
    before, step = path[-2] - path[-3], path[-1] - path[-2]
    lengths = float(np.linalg.norm(before)), float(np.linalg.norm(step))
    if min(lengths) == 0.0 or step @ before < _STRAIGHT * lengths[0] * lengths[1]:
        return path
    factor = lengths[1] / lengths[0]
    if not _SLOW < factor < _SLOWEST:
        return path
    there = path[-1] + step * factor / (1 - factor)
    state.ties = there[: len(state.ties)]
    state.discrimination = np.exp(there[len(state.ties) :])
    return [there]


def settle_likeliest(problem: Problem, state: State) -> float:
    """Move the state to the likeliest spread, and to the fixed point there.

    Return the curvature of the log density of the log spread on the way there; 0 if it was short.
    Steps of EM lead near it. If few duels tell of the spread, many of them would follow, each too
    short to be told from none, so the root of the growth is then found by the secant method.
    """
    for _ in range(_MOST_MOVES):
        if _step(problem, state, 1.0) < _ROUGH:
            break
        _widen(state, _STRIDE * _growth(problem, state))
    slope, before = -1 / _STRIDE, (math.nan, math.nan)
    way: list[tuple[float, float]] = []
    for _ in range(_MOST_MOVES):
        settle(problem, state, _PRECISE)
        now = math.log(state.spread), _growth(problem, state)
        way.append((now[0], _spread_slope(problem, state)))
        if now[0] == before[0]:  # there is no wider spread
            break
        if not math.isnan(before[0]):
            slope = (now[1] - before[1]) / (now[0] - before[0])
            slope = min(max(slope, _STEEPEST), _FLATTEST)
        step = min(max(-now[1] / slope, -_LONGEST), _LONGEST)
        if abs(step) < _NEAR:
            break
        before = now
        _widen(state, step)
    far = (at for at in reversed(way) if abs(at[0] - way[-1][0]) > _FAR)
    start, steep = next(far, way[-1])
    return (steep - way[-1][1]) / (way[-1][0] - start) if start != way[-1][0] else 0.0


def _step(problem: Problem, state: State, damping: float) -> float:
    return max(_propagate(problem, state, damping), _judge(problem, state))


def _growth(problem: Problem, state: State) -> float:
    """Return the log of the likeliest variance, if what is known now is right, to the present."""
    likeliest = _likeliest_variance(_expected_squares(problem, state), problem.items)
    return math.log(likeliest / state.spread**2)


def _widen(state: State, step: float) -> None:
    state.spread = min(state.spread * math.exp(step), _WIDEST_SPREAD)


class Weighted(NamedTuple):
    """A state at one spread, and how probable that spread is."""

    weight: float
    state: State


def over_spreads(problem: Problem, state: State, curvature: float) -> list[Weighted]:
    """Return the state at the spreads that it may have.

    `state` is that at the likeliest one, `curvature` what `settle_likeliest` returns.

    The density of the spread is followed from its mode in steps of about its standard deviation
    until it is negligible, as by Rue, Martino and Chopin, "Approximate Bayesian inference for
    latent Gaussian models by using integrated nested Laplace approximations", Journal of the Royal
    Statistical Society B 71 (2009). Its logarithm is the integral of its slope, which expectation
    propagation gives. Nearly certain verdicts tell the order of strengths and hardly their spread,
    so intervals that take the spread as known are far too narrow.
    """
    points = [_Point(0.0, state)]
    if not _is_narrow(curvature):
        points += _explored(problem, state)
    weights = np.exp([point.log_density for point in points])
    weights /= weights.sum()
    return [
        Weighted(float(weight), point.state) for weight, point in zip(weights, points, strict=True)
    ]


def averaged(states: Sequence[Weighted]) -> State:
    """Return the first state, with means and covariance of the mixture of all."""
    mean = sum(weight * state.values for weight, state in states)
    covariance = np.zeros_like(states[0].state.covariance)
    for weight, state in states:
        apart = state.values - mean
        covariance += weight * (state.covariance + np.outer(apart, apart))
    return attrs.evolve(states[0].state, values=np.asarray(mean), covariance=covariance)


class _Point(NamedTuple):
    log_density: float
    state: State


def _is_narrow(curvature: float) -> bool:
    return curvature > 1 / _NARROW**2


def _explored(problem: Problem, mode: State) -> Iterator[_Point]:
    """Yield the state at spreads on both sides of the likeliest one, unless that is well known."""
    probe = _moved(problem, mode, _PROBE)
    curvature = -_spread_slope(problem, probe) / _PROBE
    if _is_narrow(curvature):
        return
    step = min(1 / math.sqrt(curvature), _WIDEST_STEP) if curvature > 0 else _WIDEST_STEP
    for way in (step, -step):
        state, slope, density = mode, 0.0, 0.0
        for _ in range(_MOST_SPREADS):
            state = _moved(problem, state, way)
            before, slope = slope, _spread_slope(problem, state)
            density += way * (before + slope) / 2
            yield _Point(density, state)
            if density < _NEGLIGIBLE or state.spread > _WIDEST_SPREAD:
                break


def _moved(problem: Problem, state: State, way: float) -> State:
    """Return the state at another spread, whose logarithm is so much greater."""
    moved = attrs.evolve(state, spread=state.spread * math.exp(way))
    settle(problem, moved)
    return moved


def _propagate(problem: Problem, state: State, damping: float) -> float:
    """Move each duel's normal factor towards its likelihood's, and return how far."""
    design = design_matrix(problem, state)
    told = design.T @ design.multiply((problem.count * state.precision)[:, None])
    information = (told + diags_array(problem.prior(state))).tocsr()
    state.covariance = inverse_by_parts(information, problem.apart)
    state.values = state.covariance @ (design.T @ (problem.count * state.shift))
    known = log_odds(problem, state)
    precision = np.maximum(1 / known.variance - state.precision, 1e-12)
    shift = known.mean / known.variance - state.shift
    told = tilted(problem, state, LogOdds(shift / precision, 1 / precision))
    better = np.maximum(1 / told.variance - precision, 1e-9) - state.precision
    nearer = told.mean / told.variance - shift - state.shift
    state.precision = state.precision + damping * better
    state.shift = state.shift + damping * nearer
    return max(float(np.abs(better).max()), float(np.abs(nearer).max()))


def _expected_squares(problem: Problem, state: State) -> float:
    """Return the expected sum of squares of what is in the strengths beyond what scores predict.

    What the doubt about a score explains of an item's difference from it is not part of that.
    """
    items = problem.items
    squares = state.values[:items] ** 2 + np.diagonal(state.covariance)[:items]
    kept = state.spread**2 / problem.prior_variances(state)
    return float((kept**2 * squares + state.spread**2 * (1 - kept)).sum())


def _likeliest_variance(squares: float, items: int) -> float:
    """Return the variance of strengths whose squares have this expected sum.

    It maximises the density of the log of the standard deviation. With few items of few duels, the
    likelihood alone would often choose an enormous one.
    """
    df, scale = max(items - 1, 1), _SPREAD_DF * _SPREAD_SCALE**2
    excess, most = squares - df * scale, df + _SPREAD_DF + 1
    return (excess + math.sqrt(excess**2 + 4 * most * squares * scale)) / (2 * most)


def _spread_slope(problem: Problem, state: State) -> float:
    """Return the slope of the log density of the log spread, by Fisher's identity."""
    variance, df = state.spread**2, max(problem.items - 1, 1)
    prior = (_SPREAD_DF + 1) * variance / (_SPREAD_DF * _SPREAD_SCALE**2 + variance)
    return _expected_squares(problem, state) / variance - df - prior


def _judge(problem: Problem, state: State) -> float:
    """Move what is estimated of judges by one step of Newton's method, and return how far."""
    if problem.judges == 1 and not len(problem.tying):
        return 0.0
    curves = mean_curves(problem, state)
    return max(_weigh_ties(problem, state, curves), _discriminate(problem, state, curves))


def _weigh_ties(problem: Problem, state: State, curves: Curves) -> float:
    if not len(problem.tying):
        return 0.0
    excess, variance = tie_excess(problem, curves)
    gradient = excess / state.dispersion - state.ties / _TIE_VARIANCE
    step = np.clip(gradient / (variance / state.dispersion + 1 / _TIE_VARIANCE), -2.0, 2.0)
    state.ties = state.ties + step
    return float(np.abs(step).max())


def _discriminate(problem: Problem, state: State, curves: Curves) -> float:
    if problem.judges == 1:
        return 0.0
    judge, lead = problem.duels.judge.codes, problem.leads(state)
    known = log_odds(problem, state)
    pull = curves.slope * lead - curves.curvature * known.variance
    squares = curves.curvature * (lead**2 + known.variance)
    gradient, information = (
        np.bincount(judge, weights=problem.count * each, minlength=problem.judges)
        / state.dispersion
        for each in (pull, squares)
    )
    logs = np.log(state.discrimination)
    gradient -= logs / DISCRIMINATION_VARIANCE
    step = np.clip(gradient / (information + 1 / DISCRIMINATION_VARIANCE), -0.5, 0.5)
    logs = logs + step
    state.discrimination = np.exp(logs - logs.mean())
    return float(np.abs(step - step.mean()).max())
