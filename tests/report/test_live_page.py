"""A page that is watched shows how far the cohort is, and what is new without interrupting."""

import json
from datetime import UTC, datetime
from functools import partial

import pytest
from axe_playwright_python.sync_playwright import Axe

from daydreaming_dagster.domain.generation.stored import read_stored_generation
from daydreaming_dagster.report.page import render_page

ADDRESS = "http://watched.example/token/"


@pytest.fixture
def watched(browser, deep):
    """The page in a browser, and what its server answers: the version, and how far it is."""
    state = {"version": 1, "said": "3 of 9 done"}
    read = partial(read_stored_generation, deep.store)

    def answer(route):
        if route.request.url.endswith("/progress"):
            route.fulfill(body=json.dumps(state), content_type="application/json")
        else:
            made_at = datetime(2026, 1, 2, tzinfo=UTC)
            html = render_page(deep.report, deep.figures, read, made_at, state["version"])
            route.fulfill(body=html, content_type="text/html")

    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.route(f"{ADDRESS}**", answer)
    page.goto(ADDRESS)
    page.wait_for_selector("#live >> text=3 of 9 done")
    yield page, state
    context.close()


def test_a_page_that_nobody_reads_in_shows_what_is_new_by_itself(watched):
    page, state = watched
    assert Axe().run(page).response["violations"] == []
    state |= {"version": 2, "said": "9 of 9 done"}

    page.wait_for_selector("#live[data-version='2'] >> text=9 of 9 done")


def test_whoever_reads_a_text_is_asked_before_the_page_changes(watched, deep):
    page, state = watched
    page.evaluate(f"location.hash = '#/{deep.report.generations['essay'][0].ref}'")
    page.wait_for_selector("#reader-title")
    state["version"] = 2

    page.click("#live >> text=Show what is new")

    page.wait_for_selector("#live[data-version='2']")
    page.wait_for_selector("#reader-title")


def test_a_page_says_when_it_no_longer_changes(watched):
    page, _ = watched
    page.unroute(f"{ADDRESS}**")
    page.route(f"{ADDRESS}progress", lambda route: route.abort())

    page.wait_for_selector("text=The command has ended: this page no longer changes.")
