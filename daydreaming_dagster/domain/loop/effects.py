"""The posterior of concepts' effects on the scores of their pairs."""

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, pvariance
from typing import Final

import attrs

from daydreaming_dagster.domain.loop.sampler import Trial

_PRIOR_WEIGHT: Final = 4.0
"""The number of observations that the prior of a variance counts for."""

_PRIOR_SHARE: Final = 0.1
"""The share of the scores' variance that the prior expects concepts, or pairs, to account for."""


@attrs.define
class _Observation:
    """The mean score of a pair. `residual` is what the present effects leave of it."""

    concepts: tuple[str, str]
    residual: float
    judgements: int
    weight: float = 0.0


@attrs.frozen
class EffectDraw:
    """One draw from the posterior.

    Attributes:
        effects: The effect of each concept that was tried.
        concept_deviation: The standard deviation of concepts' effects, also of untried concepts.
    """

    effects: Mapping[str, float]
    concept_deviation: float


def draw_effects(
    trials: Sequence[Trial], rng: random.Random, *, burn_in: int, thinning: int
) -> Iterator[EffectDraw]:
    """Yield draws from the posterior of the effects, without end.

    The model of the mean of a pair's `n` scores is

        mean + effect of one concept + effect of the other + residual of the pair + noise / sqrt(n)

    All five are normal, and their variances are unknown; they have weak inverse gamma priors. The
    draws are those of a Gibbs sampler (Gelman et al., Bayesian Data Analysis, 3rd ed., 11.1 and
    15). The residuals are integrated out where effects are drawn. The likelihood stays right
    although the pairs were not chosen at random, since the choice depended on earlier scores alone
    (Rubin, Inference and missing data, 1976).

    Yields nothing if the scores do not differ.
    """
    scored = [trial for trial in trials if trial.scores]
    means = [fmean(trial.scores) for trial in scored]
    total = pvariance(means) if means else 0.0
    if total <= 0.0:
        return
    noise = judgement_variance([trial.scores for trial in scored]) or 0.0
    middle = fmean(means)
    observations = [
        _Observation(trial.pair, mean - middle, len(trial.scores))
        for trial, mean in zip(scored, means, strict=True)
    ]
    of_concept: dict[str, list[_Observation]] = {}
    for observation in observations:
        for concept_id in observation.concepts:
            of_concept.setdefault(concept_id, []).append(observation)
    effects = dict.fromkeys(of_concept, 0.0)
    between_concepts, between_pairs = _PRIOR_SHARE * total, total
    sweep = 0
    while True:
        for observation in observations:
            variance = between_pairs + noise / observation.judgements
            observation.weight = 1 / variance
        _draw_mean(observations, rng)
        _draw_each(effects, of_concept, between_concepts, rng)
        between_concepts = _draw_variance([*effects.values()], _PRIOR_SHARE * total, rng)
        residuals = [_draw_residual(each, between_pairs, noise, rng) for each in observations]
        between_pairs = _draw_variance(residuals, _PRIOR_SHARE * total, rng)
        sweep += 1
        if sweep > burn_in and (sweep - burn_in) % thinning == 0:
            yield EffectDraw(dict(effects), math.sqrt(between_concepts))


def judgement_variance(scores: Sequence[Sequence[float]]) -> float | None:
    """Return the variance of judgements of the same text, or None if none was judged twice.

    It is pooled over all texts, each with its own mean.
    """
    squares = math.fsum(len(given) * pvariance(given) for given in scores if len(given) > 1)
    degrees = sum(len(given) - 1 for given in scores if given)
    return squares / degrees if degrees else None


def _draw_mean(observations: Sequence[_Observation], rng: random.Random) -> None:
    """Move the mean of all scores to a draw from its posterior under a flat prior."""
    precision = math.fsum(each.weight for each in observations)
    centre = math.fsum(each.weight * each.residual for each in observations) / precision
    shift = centre + rng.gauss(0.0, 1.0) / math.sqrt(precision)
    for observation in observations:
        observation.residual -= shift


def _draw_each(
    effects: dict[str, float],
    of_concept: Mapping[str, Sequence[_Observation]],
    variance: float,
    rng: random.Random,
) -> None:
    """Replace each effect by a draw from its posterior, given the other ones."""
    for concept_id, observations in of_concept.items():
        old = effects[concept_id]
        precision, weighted = 1 / variance, 0.0
        for observation in observations:
            precision += observation.weight
            weighted += observation.weight * (observation.residual + old)
        new = weighted / precision + rng.gauss(0.0, 1.0) / math.sqrt(precision)
        effects[concept_id] = new
        change = new - old
        for observation in observations:
            observation.residual -= change


def _draw_residual(
    observation: _Observation, between_pairs: float, noise: float, rng: random.Random
) -> float:
    of_mean = noise / observation.judgements
    kept = between_pairs / (between_pairs + of_mean)
    return kept * observation.residual + math.sqrt(kept * of_mean) * rng.gauss(0.0, 1.0)


def _draw_variance(values: Sequence[float], expected: float, rng: random.Random) -> float:
    """Return a draw from the posterior of the variance of normal values with mean 0."""
    shape = (_PRIOR_WEIGHT + len(values)) / 2
    scale = (_PRIOR_WEIGHT * expected + math.fsum(value * value for value in values)) / 2
    return scale / rng.gammavariate(shape, 1.0)
