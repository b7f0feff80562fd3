"""The probability that a text is worth keeping, given noisy scores of it and of others."""

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist, fmean
from typing import Final

import attrs

from daydreaming_dagster.domain.loop.effects import judgement_variance
from daydreaming_dagster.domain.statistics.agreement import least_variance, smallest_step

_GRID: Final = 60
"""Values of the deviation between texts that are averaged over."""

_LEAST_TEXTS: Final = 3
"""With fewer, the deviation between texts has no proper posterior under a flat prior."""

_WHOLE_SCALE: Final = 1.0
"""The step of scores that are all equal: nothing shows a smaller one. Scores are shares of it."""

_STANDARD: Final = NormalDist()


@attrs.frozen
class Worth:
    """What is known of a text's true score, the mean of infinitely many judgements.

    Attributes:
        probability: The probability that it is above the bar.
        mean: Its expected value.
        deviation: Its standard deviation.
        judgements: The number of scores.
    """

    probability: float
    mean: float
    deviation: float
    judgements: int


def estimate_worth(scores: Mapping[str, Sequence[float]], bar: float) -> dict[str, Worth]:
    """Return the worth of each text that has a score.

    The scores of a text are its true score and the judges' noise; the true scores of all texts are
    normal with unknown mean and deviation. So the best of many noisy scores is not taken at face
    value. The posterior is that of Gelman et al., Bayesian Data Analysis, 3rd ed., 5.4, with flat
    priors; the deviation between texts is averaged over a grid. The noise is pooled over all texts
    that were judged more than once, and taken as known. It does not contain what all judges get
    wrong alike.

    Returns nothing if there are fewer than three texts, or none was judged twice: then nobody can
    say how sure a score is.
    """
    given = {text_id: scores[text_id] for text_id in scores if scores[text_id]}
    noise = judgement_variance(list(given.values()))
    if noise is None or len(given) < _LEAST_TEXTS:
        return {}
    means = {text_id: fmean(of_text) for text_id, of_text in given.items()}
    step = smallest_step(score for of_text in given.values() for score in of_text)
    repeats = sum(len(of_text) - 1 for of_text in given.values())
    noise = max(noise, least_variance(_WHOLE_SCALE if step is None else step, repeats))
    errors = {text_id: noise / len(of_text) for text_id, of_text in given.items()}
    grid = _deviation_grid(list(means.values()), list(errors.values()))
    worth: dict[str, Worth] = {}
    for text_id, mean in means.items():
        error, probability, first, second = errors[text_id], 0.0, 0.0, 0.0
        for weight, between, centre, of_centre in grid:
            own = between / (between + error)
            expected = own * mean + (1 - own) * centre
            variance = own * error + (1 - own) ** 2 * of_centre
            probability += weight * _STANDARD.cdf((expected - bar) / math.sqrt(variance))
            first += weight * expected
            second += weight * (variance + expected**2)
        deviation = math.sqrt(max(0.0, second - first**2))
        worth[text_id] = Worth(probability, first, deviation, len(given[text_id]))
    return worth


def _deviation_grid(
    means: Sequence[float], errors: Sequence[float]
) -> list[tuple[float, float, float, float]]:
    """Return values of the variance between texts: weight, variance, centre, variance of centre.

    The weight is the posterior of the deviation, equation 5.21 of the book. The grid ends where the
    deviation is twice that of the means, which is improbable with any number of texts.
    """
    middle = fmean(means)
    spread = math.sqrt(math.fsum((mean - middle) ** 2 for mean in means) / (len(means) - 1))
    largest = 2 * max(spread, math.sqrt(max(errors)))
    points: list[tuple[float, float, float, float]] = []
    for step in range(_GRID):
        between = (largest * (step + 0.5) / _GRID) ** 2
        precisions = [1 / (error + between) for error in errors]
        total = math.fsum(precisions)
        centre = math.fsum(p * mean for p, mean in zip(precisions, means, strict=True)) / total
        fit = math.fsum(
            math.log(p) - p * (mean - centre) ** 2
            for p, mean in zip(precisions, means, strict=True)
        )
        points.append(((fit - math.log(total)) / 2, between, centre, 1 / total))
    most = max(point[0] for point in points)
    weights = [math.exp(point[0] - most) for point in points]
    total = math.fsum(weights)
    return [(weight / total, *point[1:]) for weight, point in zip(weights, points, strict=True)]
