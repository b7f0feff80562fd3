"""Two texts, or two versions of one, can be read next to each other."""

from datetime import UTC, datetime
from functools import partial

import attrs
import pytest
from axe_playwright_python.sync_playwright import Axe

from daydreaming_dagster.domain.generation.stored import read_stored_generation
from daydreaming_dagster.report.page import render_page


@pytest.fixture(scope="module")
def replaced(deep):
    """The report after the first essay's answer replaced an earlier one."""
    ref = deep.report.generations["essay"][0].ref
    metadata = deep.store.read_raw_metadata(*ref)
    earlier = deep.store.read_raw(*ref).replace("So it was", "So it is", 1)
    answer = {"model": "old-1", "text": f"{earlier}<b>x</b>"}
    deep.store.write_raw_metadata(*ref, {**metadata, "replaced": [answer]})
    read = partial(read_stored_generation, deep.store)
    html = render_page(deep.report, deep.figures, read, datetime(2026, 1, 2, tzinfo=UTC))
    deep.store.write_raw_metadata(*ref, metadata)
    return attrs.evolve(deep, html=html)


def test_two_essays_of_one_draft_are_compared_word_by_word(open_report, deep):
    reader = open_report(deep)
    item = deep.report.generations["essay"][0]
    reader.open(item)
    reader.page.click("#reader >> text=Side by side")
    reader.page.wait_for_selector("#reader-title >> text=Side by side")

    columns = reader.page.locator("#reader .side-by-side section")
    first, second = columns.all_inner_texts()
    assert deep.store.read_raw(*item.ref)[:30] in first
    assert first != second
    # Each essay begins with words of its own; the rest is the same.
    assert reader.page.locator("#reader del").all_inner_texts()[0].split()[0] in first
    assert "So it was" not in " ".join(reader.page.locator("#reader ins").all_inner_texts())
    assert Axe().run(reader.page).response["violations"] == []
    reader.page.uncheck("#reader input[type=checkbox]")
    assert reader.page.locator(".unmarked").count() == 1
    assert reader.complaints == []


def test_an_answer_that_was_replaced_is_shown_beside_the_present_one(open_report, replaced):
    reader = open_report(replaced)
    reader.open(replaced.report.generations["essay"][0])
    reader.page.click("text=Answer 1 of 1 that was replaced, by old-1")
    reader.page.wait_for_selector("#reader ins")

    marked = [
        " ".join(reader.page.locator(f"#reader {tag}").all_inner_texts()).split()
        for tag in ("del", "ins")
    ]
    assert marked == [["is", "<b>x</b>"], ["was"]]
    assert Axe().run(reader.page).response["violations"] == []


def test_any_two_of_the_list_can_be_chosen_and_each_row_shows_its_text(open_report, deep):
    reader = open_report(deep)
    begins = reader.page.locator("#list .begins").first.inner_text()
    assert begins.endswith("…")
    boxes = reader.page.locator("#list input[type=checkbox]")
    for place in (0, 1, 2):  # the third takes the place of the first
        boxes.nth(place).check()
    assert [boxes.nth(place).is_checked() for place in (0, 1, 2)] == [False, True, True]
    reader.page.click("text=The two chosen side by side")

    reader.page.wait_for_selector("#reader-title >> text=Side by side")
    assert reader.page.locator("#reader .side-by-side section").count() == 2


def test_texts_too_long_to_compare_are_shown_without_marks(open_report, deep):
    reader = open_report(deep)
    assert (
        reader.page.evaluate(
            """commonWords(Array.from({length: 6000}, (_, n) => `a${n}`),
                       Array.from({length: 6000}, (_, n) => `b${n}`))"""
        )
        is None
    )
    kept = reader.page.evaluate(
        """(() => { const kept = commonWords([...'abcxd'], [...'abyd']);
                    return [[...kept.a], [...kept.b]]; })()"""
    )
    assert kept == [[0, 1, 4], [0, 1, 3]]
