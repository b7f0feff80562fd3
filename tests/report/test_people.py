"""What people said of a text stands beside it."""

from datetime import UTC, datetime
from functools import partial

import attrs
import pytest

from daydreaming_dagster.domain.generation.stored import read_stored_generation
from daydreaming_dagster.domain.parsing.response import Score
from daydreaming_dagster.domain.people.passport import MEASURES, Passport
from daydreaming_dagster.domain.people.passport_sentences import say_what_is_sure
from daydreaming_dagster.domain.people.ratings import Rating
from daydreaming_dagster.domain.results.naming import name_generations
from daydreaming_dagster.domain.statistics.measures import Measure
from daydreaming_dagster.report.page import render_page
from daydreaming_dagster.report.people import hear_people, people_on


@pytest.fixture
def texts(deep):
    return [item.ref for item in deep.report.generations["essay"][:3]]


def ratings_of(first, second):
    return [
        Rating("a.csv, line 2", "Ann", first, score=Score(7.0, 9.0), decision="accept"),
        Rating(
            "a.csv, line 3", "Ann", first, second, preferred="second", reason="It is <b>new</b>."
        ),
        Rating("b.csv, line 2", "Bob", second, first, preferred="tie", stale="it has changed"),
    ]


def test_each_rating_of_a_text_says_who_what_and_why(deep, texts):
    first, second, third = texts
    names = name_generations(deep.report)
    ratings = ratings_of(first, second)

    assert list(people_on(first, ratings, names)) == [
        ["person 1", "7/9, accept", "", ""],
        ["person 1", f"worse than {names[second]}", "It is <b>new</b>.", ""],
        ["person 2", f"as good as {names[second]}", "", "it has changed"],
    ]
    assert next(iter(people_on(second, ratings[1:2], {})))[1] == f"better than {first.gen_id}"
    assert list(people_on(third, ratings, names)) == []


def test_the_page_of_a_text_shows_its_ratings(open_report, deep, texts):
    report = attrs.evolve(deep.report, ratings=ratings_of(*texts[:2]))
    read = partial(read_stored_generation, deep.store)
    html = render_page(report, deep.figures, read, datetime(2026, 1, 2, tzinfo=UTC))
    reader = open_report(attrs.evolve(deep, report=report, html=html))

    reader.open(deep.report.generations["essay"][0])

    said = reader.page.locator("#reader section", has_text="People").last.inner_text()
    assert "person 1: 7/9, accept" in said
    assert "It is <b>new</b>." in said
    assert "Ann" not in said
    assert reader.complaints == []


def test_nothing_is_heard_if_all_ratings_are_stale(deep, texts):
    ratings = [Rating("a.csv", "Ann", texts[0], score=Score(7.0, 9.0), stale="it has changed")]

    assert hear_people(attrs.evolve(deep.report, ratings=ratings), []) is None


@pytest.mark.parametrize(
    ("measure", "value", "low", "high", "said"),
    [
        ("people", 0.5, 0.2, 0.7, ["agrees with people (0.50, 0.20 to 0.70)"]),
        ("people", 0.5, -0.2, 0.7, []),
        ("people", 0.5, None, None, []),
        ("people_pairs", 0.4, 0.3, 0.45, ["prefers the opposite (0.40, 0.30 to 0.45)"]),
        (
            "strictness",
            -0.2,
            -0.3,
            -0.1,
            ["is milder than the other judges (-0.20, -0.30 to -0.10)"],
        ),
        ("first_odds", 2.0, 1.5, 3.0, ["prefers what is shown first (2.00, 1.50 to 3.00)"]),
        ("first_odds", 1.2, 0.9, 3.0, []),
        ("length", -0.2, -0.3, -0.1, ["prefers short texts (-0.20, -0.30 to -0.10)"]),
        (
            "length_beyond_people",
            0.2,
            0.1,
            0.3,
            ["prefers long texts more than people do (0.20, 0.10 to 0.30)"],
        ),
        (
            "own_model",
            0.2,
            0.1,
            0.3,
            ["gives texts of its own model more than others do (0.20, 0.10 to 0.30)"],
        ),
        ("judges", 0.5, 0.2, 0.7, ["agrees with the other judges (0.50, 0.20 to 0.70)"]),
        ("retest", 0.5, 0.2, 0.7, ["repeats itself (0.50, 0.20 to 0.70)"]),
    ],
)
def test_only_what_is_beyond_chance_is_said_of_a_judge(measure, value, low, high, said):
    measures = {name: Measure() for name in MEASURES} | {measure: Measure(value, low, high, 30)}

    assert [*say_what_is_sure(Passport("evaluation/kind/big", "model", "big", measures))] == said
