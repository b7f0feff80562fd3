"""The page on which people rate texts: blind, and driven in a browser by keys alone."""

import csv
import json
import re
from io import StringIO

import pytest
from axe_playwright_python.sync_playwright import Axe

from daydreaming_dagster.domain.people.ratings import read_ratings
from daydreaming_dagster.domain.people.sheet import make_sheet
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.report.rating_page import render_rating_page

HOSTILE = "</script><script>window.harmed = 1</script><img src=x onerror='window.harmed = 1'>"
TEXTS = {
    GenerationRef("essay", f"e_secret{number}"): f"Text {number}, “of” words.\n{HOSTILE}\n" * 9
    for number in range(4)
}
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}


@pytest.fixture
def sheet():
    return make_sheet(TEXTS, ratings=6, seed=11)


@pytest.fixture
def open_page(browser, sheet, tmp_path):
    """Return a function that opens the page in a context of its own, or in the last one again."""
    texts = {text.token: TEXTS[text.ref] for text in sheet.texts}
    file = tmp_path / "sheet.html"
    file.write_text(render_rating_page(sheet, texts), "utf-8")
    contexts = []

    def call(*, again=False, **settings):
        if not again:
            contexts.append(browser.new_context(**settings))
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)
        page.complaints = []
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("request", lambda request: page.complaints.append(request.url))
        page.goto(file.as_uri())
        page.complaints.remove(file.as_uri())
        return page

    yield call
    for context in contexts:
        context.close()


def begin(page, rater="Ann"):
    page.focus("#rater")
    page.keyboard.type(rater)
    page.keyboard.press("Enter")
    page.wait_for_selector("#question")


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def saved(page, selector, tmp_path):
    with page.expect_download() as download:
        page.focus(f"{selector} .save")
        page.keyboard.press("Enter")
    file = tmp_path / "saved.csv"
    download.value.save_as(file)
    assert re.fullmatch(r"sheet-[0-9a-f]{10}-[A-Za-z0-9-]+\.csv", download.value.suggested_filename)
    return file.read_bytes()


def test_the_page_says_nothing_of_where_its_texts_come_from(sheet):
    texts = {text.token: "A text." for text in sheet.texts}
    page = render_rating_page(sheet, texts)

    for hidden in ("e_secret", "essay", f"{sheet.seed}]", '"seed"', "gen_id", 'sha256"'):
        assert hidden not in page
    assert all(text.sha256 not in page for text in sheet.texts)


def test_keys_alone_rate_everything_and_the_file_is_read_back(open_page, sheet, tmp_path):
    page = open_page()
    begin(page, 'Ann "A" Ó, jr.')
    press(page, "7", "Enter", "Enter", "a", "Tab", "Tab")
    page.focus("#reason")
    page.keyboard.type("new, and 9 times out of 10 true")
    press(page, "Enter", "3", "Enter", "2", "Enter", "0", "Backspace", "1", "Enter", "Enter")
    assert page.locator("#left").inner_text() == "1 left"
    assert page.locator("#end-title").inner_text() == "1 left"
    page.focus("#again")
    press(page, "Enter", "5")
    assert page.locator("#question-title").inner_text() == "Text 2 of 6"
    press(page, *["Enter"] * 5)
    assert page.locator("#end-title").inner_text() == "Done: thank you"

    data = saved(page, "#end", tmp_path)
    key = {f"{sheet.sheet}.key.json": json.dumps(sheet.as_document()).encode()}
    ratings = read_ratings({"ann.csv": data, **key}, TEXTS, "ratings")

    assert {rating.rater for rating in ratings} == {'Ann "A" Ó, jr.'}
    assert [rating.score and rating.score.value for rating in ratings] == [
        7,
        5,
        None,
        3,
        None,
        None,
    ]
    assert ratings[2].decision == "accept"
    assert ratings[2].reason == "new, and 9 times out of 10 true"
    assert [rating.preferred for rating in ratings[4:]] == ["first", "tie"]
    assert page.evaluate("window.harmed") is None
    assert page.complaints == []


def test_what_was_answered_is_there_when_the_page_is_opened_again(open_page, tmp_path):
    page = open_page()
    begin(page)
    press(page, "4", "Enter", "9")
    page.close()

    page = open_page(again=True)
    assert page.locator("#left").inner_text() == "4 left"
    assert page.input_value("#rater") == "Ann"
    press(page, "Tab")
    page.focus("#rater")
    press(page, "Enter")
    assert page.locator("#question-title").inner_text() == "Text 3 of 6"
    rows = csv.DictReader(StringIO(saved(page, "#question", tmp_path).decode()))
    assert [row["score"] for row in rows] == ["4", "9"]


@pytest.mark.parametrize("settings", [{}, {"color_scheme": "dark"}, PHONE])
def test_axe_finds_nothing_and_no_text_is_wider_than_the_window(open_page, settings):
    page = open_page(**settings)

    def wrong():
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        overhang = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        found = Axe().run(page).response["violations"]
        return [(one["id"], one["nodes"][0]["html"][:200]) for one in found], overhang > 0

    assert wrong() == ([], False)
    begin(page)
    assert wrong() == ([], False)
    press(page, *["Enter"] * 4)
    assert wrong() == ([], False)
    press(page, *["Enter"] * 2)
    assert wrong() == ([], False)
