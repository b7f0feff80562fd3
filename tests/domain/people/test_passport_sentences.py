"""What is said of judges of whom little is known."""

import pytest

from daydreaming_dagster.domain.people.passport import MEASURES, Passport
from daydreaming_dagster.domain.people.passport_sentences import say_what_calls_would_tell
from daydreaming_dagster.domain.statistics.measures import Measure

ASKED = {"ties": Measure(0.1, 0.0, 0.2, 10), "lift_no_score": Measure(0.0, 0.0, 0.1, 5)}
KNOWN = {**ASKED, "retest": Measure(0.9, 0.8, 0.95, 40)}


def said(measures, judge="judge/big", kind="model"):
    known = {name: Measure() for name in MEASURES} | measures
    return [*say_what_calls_would_tell([Passport(judge, kind, "big", known)], "c1")]


@pytest.mark.parametrize(
    ("name", "measure", "sentence"),
    [
        (
            "retest",  # four times as many texts halve the margin
            Measure(0.5, 0.1, 0.9, 10),
            (
                "30 more texts that it scores twice (60 calls) would tell how well it repeats "
                "itself within about 0.20; now it is 0.40"
            ),
        ),
        (
            "lift",  # more would be needed than are advised: the root of 2 is left
            Measure(0.3, -0.7, 1.3, 100),
            (
                "100 more canaries (100 calls) would tell what an order in a text lifts its scores "
                "by within about 0.71; now it is 1.00"
            ),
        ),
        (
            "first_odds",
            Measure(2.0, 1.0, 4.0, 20),
            (
                "39 more duels (39 calls) would tell the odds of what is shown first within about "
                "a factor of 1.50; now it is a factor of 2.00"
            ),
        ),
    ],
)
def test_it_is_said_what_calls_would_tell_where_little_is_known(name, measure, sentence):
    assert said({**KNOWN, name: measure}) == [f"judge/big: {sentence}"]


@pytest.mark.parametrize(
    "measures",
    [
        {"retest": Measure(0.9, 0.8, 0.95, 40), "lift": Measure(0.0, -0.05, 0.05, 40)},
        {"lift": Measure(0.1, None, None, 4)},  # all lifts were equal
        {"first_odds": Measure(0.0, 0.0, 0.1, 4)},  # too small for a number
    ],
)
def test_nothing_is_said_where_enough_is_known_or_no_margin(measures):
    assert said({**KNOWN, **measures}) == []


def test_it_is_said_once_how_to_ask_what_no_judge_was_asked():
    twice, canaries = said({"ties": Measure(0.1, 0.0, 0.2, 10)})
    assert "no judge has scored a text twice" in twice
    assert canaries.endswith("daydream judges c1 --canaries 20")


@pytest.mark.parametrize(
    ("scored", "sentence"),
    [
        (22, "30 more texts that it scores twice (48 calls) would tell"),
        (40, "30 more texts that it scores twice (30 calls) would tell"),
    ],
)
def test_a_text_that_is_scored_once_takes_one_call_more(scored, sentence):
    ties, retest = Measure(0.1, 0.0, 0.2, scored), Measure(0.5, 0.1, 0.9, 10)

    (line,) = said({**ASKED, "ties": ties, "retest": retest})

    assert sentence in line


def test_at_most_a_hundred_calls_are_advised():
    (line,) = said({**ASKED, "retest": Measure(0.5, -0.5, 1.0, 10)})

    assert "50 more texts that it scores twice (100 calls)" in line


def test_people_and_judges_of_duels_alone_are_asked_nothing_more():
    assert said(ASKED, "human:ada", "human") == []
    assert said({}) == []
