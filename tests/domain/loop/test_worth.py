"""How sure it is that a text is worth keeping."""

import math
import random
from statistics import fmean

import pytest

from daydreaming_dagster.domain.loop.effects import judgement_variance
from daydreaming_dagster.domain.loop.worth import estimate_worth


def simulate(texts, judgements, seed=1, between=0.1, noise=0.2):
    rng = random.Random(seed)
    truth = {f"t{i}": rng.gauss(0.5, between) for i in range(texts)}
    scores = {
        text_id: [rng.gauss(value, noise) for _ in range(judgements)]
        for text_id, value in truth.items()
    }
    return truth, scores


def test_probabilities_are_calibrated():
    """Of the texts that are said to be above the bar with 70 %, about 70 % are."""
    said, true = [], []
    for seed in range(10):
        truth, scores = simulate(200, 2, seed)
        for text_id, worth in estimate_worth(scores, 0.55).items():
            said.append(worth.probability)
            true.append(truth[text_id] > 0.55)

    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        inside = [
            (p, t) for p, t in zip(said, true, strict=True) if low <= p < low + 0.2 or p == 1 == low
        ]
        expected, found = fmean(p for p, _ in inside), fmean(t for _, t in inside)
        # Four standard errors.
        assert abs(found - expected) < 4 * math.sqrt(0.25 / len(inside))


def test_true_scores_are_within_two_deviations():
    truth, scores = simulate(500, 3)

    inside = [
        abs(truth[text_id] - worth.mean) < 2 * worth.deviation
        for text_id, worth in estimate_worth(scores, 0.5).items()
    ]

    assert 0.92 < fmean(inside) < 0.98


def test_the_best_of_many_noisy_scores_is_not_taken_at_face_value():
    _, scores = simulate(200, 2, between=0.02)

    worth = estimate_worth(scores, 0.8)

    best = max(scores, key=lambda text_id: fmean(scores[text_id]))
    assert fmean(scores[best]) > 0.8
    assert worth[best].mean < 0.65
    assert worth[best].probability < 0.1


def test_more_judgements_make_surer():
    _, scores = simulate(50, 2)
    scores |= {"few": [0.9, 0.5], "many": [0.9, 0.5] * 10}

    worth = estimate_worth(scores, 0.6)

    assert worth["few"].probability < 0.8 < worth["many"].probability
    assert worth["many"].deviation < worth["few"].deviation
    assert (worth["few"].judgements, worth["many"].judgements) == (2, 20)


def test_a_few_judgements_that_agree_leave_some_doubt():
    few = estimate_worth({"bad": [0.2, 0.2], "near": [0.55, 0.55], "good": [0.9, 0.9]}, 0.54)

    assert 0.5 < few["near"].probability < 0.8
    assert few["near"].deviation > 0.05
    assert few["good"].probability > 0.95


def test_many_judgements_that_agree_leave_hardly_any_doubt():
    scores = {f"t{number}": [number / 8] * 20 for number in range(9)}

    worth = estimate_worth(scores, 0.7)

    assert worth["t6"].probability > 0.99
    assert worth["t5"].probability < 0.01


@pytest.mark.parametrize("repeats", [2, 5, 50])
def test_one_disagreement_shows_more_noise_than_none(repeats):
    agreed = {name: [score] * repeats for name, score in (("a", 0.2), ("b", 0.4), ("c", 0.9))}
    differs = agreed | {"c": [0.7] + [0.9] * (repeats - 1)}

    assert estimate_worth(agreed, 0.5)["b"].deviation < estimate_worth(differs, 0.5)["b"].deviation


def test_equal_scores_everywhere_show_no_step_of_the_scale():
    few = estimate_worth({name: [0.5, 0.5] for name in "abc"}, 0.6)
    many = estimate_worth({f"t{number}": [0.5, 0.5] for number in range(300)}, 0.6)

    assert (few["a"].mean, many["t0"].mean) == pytest.approx((0.5, 0.5))
    assert 0.1 < few["a"].probability < 0.5
    assert many["t0"].probability < 0.05


@pytest.mark.parametrize(
    "scores",
    [
        {},
        {"a": [0.5, 0.6], "b": [0.4]},
        {"a": [0.5], "b": [0.4], "c": [0.9]},
        {"a": [0.5, 0.6], "b": [], "c": [0.9]},
    ],
)
def test_nothing_is_said_without_three_texts_and_one_judged_twice(scores):
    assert estimate_worth(scores, 0.5) == {}


def test_a_text_without_a_score_has_no_worth():
    _, scores = simulate(5, 2)

    assert "new" not in estimate_worth({**scores, "new": []}, 0.5)


def test_the_noise_is_the_variance_within_texts():
    assert judgement_variance([[0.0, 1.0], [5.0], [2.0, 2.0, 2.0], []]) == pytest.approx(0.5 / 3)
    assert judgement_variance([[1.0], [2.0]]) is None
