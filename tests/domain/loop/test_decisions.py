"""What is accepted, on which numbers, and when a loop ends."""

import random

import attrs
import pytest

from daydreaming_dagster.domain.loop.decisions import Ruling, Selection, decide
from daydreaming_dagster.domain.loop.measures import (
    CanaryScores,
    Richness,
    RoundMeasures,
    StopRules,
    estimate_richness,
    mean_distance,
    reason_to_stop,
)

SCORES = {
    "good": [0.9, 0.92, 0.88],
    "better": [0.98, 0.97, 0.99],
    "fair": [0.71, 0.69, 0.7],
    "bad": [0.3, 0.32, 0.28],
}
DIGESTS = {text_id: f"digest of {text_id}" for text_id in SCORES}


def verdicts(decisions):
    return {each.text_id: (each.verdict, each.rule) for each in decisions}


def test_the_sure_are_accepted_or_rejected_and_the_others_wait():
    decisions = decide(DIGESTS, SCORES, {}, Selection(bar=0.7, certainty=0.9))

    assert verdicts(decisions) == {
        "good": ("accept", "probability"),
        "better": ("accept", "probability"),
        "fair": ("defer", "probability"),
        "bad": ("reject", "probability"),
    }
    assert [each.text_id for each in decisions][2:] == ["fair", "bad"]


def test_a_decision_has_the_numbers_that_it_rests_on():
    decision = next(
        each
        for each in decide(DIGESTS, SCORES, {}, Selection(bar=0.7, certainty=0.9))
        if each.text_id == "fair"
    )

    assert (decision.digest, decision.bar, decision.certainty) == ("digest of fair", 0.7, 0.9)
    assert decision.worth.judgements == 3
    assert 0.3 < decision.worth.probability < 0.7
    assert decision.worth.mean == pytest.approx(0.7, abs=0.01)


def test_a_round_accepts_no_more_than_the_limit_and_the_best_first():
    decisions = decide(DIGESTS, SCORES, {}, Selection(bar=0.5, certainty=0.9, most=1))

    accepted = [each.text_id for each in decisions if each.verdict == "accept"]
    assert accepted == [decisions[0].text_id]
    assert verdicts(decisions)["fair"] == ("defer", "limit")


def test_a_person_has_the_last_word():
    by_person = {
        "bad": Ruling("accept", "it surprises me"),
        "good": Ruling("reject"),
        "better": Ruling("defer"),
    }

    decisions = decide(DIGESTS, SCORES, by_person, Selection(bar=0.7, certainty=0.9))

    assert {one.text_id: one.reason for one in decisions}["bad"] == "it surprises me"
    assert verdicts(decisions) == {
        "bad": ("accept", "person"),
        "good": ("reject", "person"),
        "better": ("defer", "person"),
        "fair": ("defer", "probability"),
    }


def test_a_text_without_scores_waits():
    decisions = decide({"new": "digest"}, SCORES, {}, Selection())

    assert verdicts(decisions) == {"new": ("defer", "unknown")}


def test_scores_of_all_texts_tell_about_the_one_that_is_decided_about():
    alone = {"new": [0.8, 0.7]}
    rng = random.Random(1)
    others = {f"t{i}": [rng.gauss(0.2, 0.05), rng.gauss(0.2, 0.05)] for i in range(50)}

    (before,) = decide({"new": "digest"}, alone, {}, Selection())
    (after,) = decide({"new": "digest"}, {**others, **alone}, {}, Selection())

    assert (before.rule, after.rule) == ("unknown", "probability")


def test_the_chance_of_a_new_idea_is_the_share_of_ideas_seen_once():
    richness = estimate_richness("aaabbcde")

    assert (richness.texts, richness.seen, richness.chance_of_new) == (8, 5, 3 / 8)
    # Chao1 with the correction for bias: 5 + 7/8 * 3 * 2 / (2 * 2)
    assert richness.estimated == pytest.approx(6.3125)


def test_the_estimates_are_right_for_ideas_that_are_equally_likely():
    rng = random.Random(4)
    drawn = [rng.randrange(100) for _ in range(150)]

    richness = estimate_richness(drawn)

    later = {rng.randrange(100) for _ in range(50)} - set(drawn)
    assert abs(richness.estimated - 100) < 20
    assert abs(richness.expected_new(50) - len(later)) < 6
    assert richness.chance_of_new == pytest.approx(1 - richness.seen / 100, abs=0.1)


def test_nothing_new_is_expected_where_every_idea_was_seen_often():
    assert estimate_richness("aabb" * 5).expected_new(10) == 0
    assert estimate_richness("").chance_of_new is None
    assert estimate_richness("").expected_new(10) == 0


def test_only_new_ideas_so_far_promise_more():
    assert estimate_richness("abcdefghij").expected_new(5) > 4


MEASURES = RoundMeasures(2, 0.5, 0.6, Richness(20, 10, 15.0, 0.3), 8.0, 0.4)


def test_accepted_texts_per_dollar():
    assert MEASURES.accepted_per_dollar == 4
    assert attrs.evolve(MEASURES, cost=None).accepted_per_dollar is None
    assert attrs.evolve(MEASURES, cost=0.0).accepted_per_dollar is None


def test_distances_are_averaged():
    assert mean_distance([0.2, 0.4]) == pytest.approx(0.7)
    assert mean_distance([]) is None


PLAIN = attrs.evolve(MEASURES, accepted=4, cost=0.5, novelty=0.5, drift=0.9)


def with_canaries(moved):
    return attrs.evolve(PLAIN, canaries=CanaryScores(0.8, 0.2, moved))


@pytest.mark.parametrize(
    ("rules", "rounds", "reason"),
    [
        (StopRules(), [MEASURES] * 100, None),
        (StopRules(rounds=3), [MEASURES] * 2, None),
        (StopRules(rounds=3), [MEASURES] * 3, "3 rounds done"),
        (StopRules(max_cost=1.01), [MEASURES] * 2, None),
        (StopRules(max_cost=1.0), [MEASURES] * 2, "$1.00 of $1.00 are spent"),
        (StopRules(max_cost=9.0), [attrs.evolve(MEASURES, cost=None)], "unknown"),
        (StopRules(rounds_without_acceptance=2), [attrs.evolve(MEASURES, accepted=0)], None),
        (
            StopRules(rounds_without_acceptance=2),
            [MEASURES, *[attrs.evolve(MEASURES, accepted=0)] * 2],
            "nothing was accepted in the last 2 rounds",
        ),
        (
            StopRules(rounds_without_acceptance=2),
            [attrs.evolve(MEASURES, accepted=0), MEASURES],
            None,
        ),
        (StopRules(least_chance_of_new=0.3), [MEASURES], None),
        (StopRules(least_chance_of_new=0.31), [MEASURES], "probability of 30.0%, less than 31.0%"),
        (StopRules(least_chance_of_new=0.31), [], None),
        (StopRules(least_accepted_per_dollar=9), [PLAIN] * 2, None),
        (StopRules(least_accepted_per_dollar=8), [PLAIN] * 3, None),
        (
            StopRules(least_accepted_per_dollar=9),
            [PLAIN] * 3,
            "the last 3 rounds accepted 8.00 per USD, less than 9",
        ),
        (
            StopRules(least_accepted_per_dollar=9),
            [attrs.evolve(PLAIN, cost=0.0)] * 3,
            None,
        ),
        (
            StopRules(least_accepted_per_dollar=9),
            [PLAIN, PLAIN, attrs.evolve(PLAIN, cost=None)],
            "the cost of a round is unknown",
        ),
        (StopRules(least_novelty=0.5, most_drift=0.9), [PLAIN] * 3, None),
        (
            StopRules(least_novelty=0.6),
            [attrs.evolve(PLAIN, novelty=0.9), PLAIN, PLAIN, PLAIN],
            "the mean novelty of the last 3 rounds is 0.50, less than 0.6",
        ),
        (
            StopRules(most_drift=0.8),
            [PLAIN, attrs.evolve(PLAIN, drift=None), PLAIN],
            "the mean drift of the last 3 rounds is 0.90, more than 0.8",
        ),
        (StopRules(most_canary_drift=0.1), [PLAIN], None),
        (StopRules(most_canary_drift=0.1), [with_canaries(None)], None),
        (StopRules(most_canary_drift=0.1), [with_canaries(0.1)], None),
        (
            StopRules(most_canary_drift=0.1),
            [with_canaries(0.2)],
            "the scores of the canaries moved by 0.20, more than 0.10",
        ),
    ],
)
def test_a_loop_stops_for_a_stated_reason(rules, rounds, reason):
    found = reason_to_stop(rules, rounds)

    assert (found is None) if reason is None else reason in found
