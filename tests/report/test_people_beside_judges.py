"""People's scores stand beside the judges' in the page, and the ranking is that of the judges."""

from datetime import UTC, datetime
from functools import partial

import attrs
import pytest
from axe_playwright_python.sync_playwright import Axe

from daydreaming_dagster.application.judge_passports import know_judgments
from daydreaming_dagster.domain.generation.stored import read_stored_generation
from daydreaming_dagster.domain.parsing.response import Score
from daydreaming_dagster.domain.people.corrected import correct_judges
from daydreaming_dagster.domain.people.ratings import Rating
from daydreaming_dagster.domain.results.factors import compare_factors
from daydreaming_dagster.report.page import render_page
from daydreaming_dagster.report.people import hear_people


@pytest.fixture
def heard(made):
    """Return the report with a person's score of every fourth text: 9 for a story, 0 for a copy."""
    refs = [rank.ref for rank in made.report.ranks[::2]]
    members = {item.ref: item.member for item in made.report.generations["essay"]}
    ratings = [
        Rating("a.csv", "Ann", ref, score=Score(9.0 if members[ref].llm else 0.0, 9.0))
        for ref in refs
    ]
    evaluations = made.report.evaluations
    corrected, _ = correct_judges(evaluations, ratings)
    passports = know_judgments(made.store, evaluations, [], ratings)
    return attrs.evolve(made.report, ratings=ratings, corrected=corrected, passports=passports)


def test_people_are_heard_beside_the_judges_and_not_mixed_with_them(open_report, made, heard):
    read = partial(read_stored_generation, made.store)
    html = render_page(heard, made.figures, read, datetime(2026, 1, 2, tzinfo=UTC))
    reader = open_report(attrs.evolve(made, report=heard, html=html))

    section = reader.page.locator("#people").inner_text()
    assert "1 person scored 55 of 110 essays and compared 0 pairs." in section
    assert "People would give" in section
    ranking = reader.page.locator("#ranking table").last.inner_text()
    assert "People" in ranking
    assert (
        "the estimate is that of the judges alone" in reader.page.locator("#ranking").inner_text()
    )
    assert [rank.mean for rank in heard.ranks] == [rank.mean for rank in made.report.ranks]
    assert "person 1" in reader.page.locator("#judges").inner_text()
    assert "Ann" not in html
    assert Axe().run(reader.page).response["violations"] == []
    assert reader.complaints == []


def test_it_is_said_whether_people_put_the_same_first(heard):
    best = {factor.name: factor.levels[0].name for factor in compare_factors(heard)}

    said = hear_people(heard, compare_factors(heard)).sentences

    agree = "would, too" if best["essay template"] == "story" else "would put story"
    assert (
        f"Of the essay templates, judges put {best['essay template']} first. People {agree}."
        in said
    )
