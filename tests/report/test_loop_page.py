"""The page of a loop in a browser."""

from datetime import UTC, datetime

import pytest
from axe_playwright_python.sync_playwright import Axe

from adapters import InMemoryGensStore
from daydreaming_dagster.domain.catalog import Catalog, ConceptEntry
from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.loop.concepts import make_concept
from daydreaming_dagster.domain.loop.decisions import Ruling, Selection, decide
from daydreaming_dagster.domain.loop.gate import HeldBack, Threshold
from daydreaming_dagster.domain.loop.journal import (
    Chosen,
    Decided,
    Journal,
    Round,
    Written,
    WrittenText,
)
from daydreaming_dagster.domain.loop.measures import CanaryScores, RoundMeasures, estimate_richness
from daydreaming_dagster.domain.loop.report import gather_loop_report
from daydreaming_dagster.domain.loop.sampler import Choice
from daydreaming_dagster.domain.loop.similarity import Neighbour
from daydreaming_dagster.report.loop_figures import make_loop_figures
from daydreaming_dagster.report.loop_page import render_loop_page

HOSTILE = "# An idea\n\n<script>window.harmed = 1</script> ![x](https://example.org/x.png)"
PAIRS = {f"e{number}": ("ant", "bee") for number in range(12)} | {"e12": ("bee", "e3")}
"""Twelve texts of two seeds in the first round, and one of an accepted text in the second."""


@pytest.fixture(scope="module")
def page():
    store = InMemoryGensStore()
    texts = {text_id: f"{HOSTILE} {text_id}" for text_id in PAIRS}
    for text_id, text in texts.items():
        store.write_parsed("essay", text_id, text)
    names = {name: ConceptEntry(name, name.title()) for name in ("ant", "bee")}
    accepted = {text_id: make_concept(text_id, "paragraph", texts[text_id]) for text_id in PAIRS}
    catalog = Catalog(concepts=names | accepted, templates={}, models={})
    scores = {text_id: (0.7 + 0.02 * n, 0.8 + 0.01 * n) for n, text_id in enumerate(PAIRS)}
    rounds = []
    for number, of_round in enumerate(([*PAIRS][:12], ["e12"]), start=1):
        digests = {text_id: sha256(texts[text_id]) for text_id in of_round}
        held = HeldBack(of_round[0], digests[of_round[0]], Neighbour("ant", 0.9), 0.8)
        rounds.append(
            Round(
                number,
                Chosen(f"l-000{number}", "0", 2, (Choice(("ant", "bee"), "uniform"),)),
                Written(
                    tuple(
                        WrittenText("essay", text_id, PAIRS[text_id], digests[text_id])
                        for text_id in of_round
                    ),
                    Threshold(0.8, None, 1),
                    (held,),
                ),
                Decided(
                    {text_id: scores[text_id] for text_id in of_round},
                    tuple(decide(digests, scores, {"e1": Ruling("defer")}, Selection(bar=0.5))),
                    RoundMeasures(
                        *(11, 0.5, 0.9, estimate_richness(of_round), 1.5, 0.9),
                        canaries=CanaryScores(0.8, 0.3, None if number == 1 else 0.05),
                    ),
                ),
            )
        )
    report = gather_loop_report(store, catalog, "l", Journal(tuple(rounds)), 0.5)
    made_at = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    return render_loop_page(report, make_loop_figures(report.journal), "it has not", made_at)


@pytest.fixture
def shown(browser, page, tmp_path):
    """Return a function that opens the page with settings of a browser's context."""
    (tmp_path / "report.html").write_text(page, "utf-8")
    contexts = []

    def call(**settings):
        context = browser.new_context(**settings)
        contexts.append(context)
        tab = context.new_page()
        tab.told = []
        tab.on("console", lambda message: tab.told.append(message.text))
        tab.on("request", lambda request: tab.told.append(request.url))
        tab.goto((tmp_path / "report.html").as_uri())
        tab.told = [each for each in tab.told if not each.startswith("file:")]
        return tab

    yield call
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_loads_nothing_and_is_accessible(shown, width, scheme):
    tab = shown(viewport={"width": width, "height": 800}, color_scheme=scheme)

    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert tab.evaluate("window.harmed") is None
    assert tab.told == []
    found = Axe().run(tab)
    assert found.violations_count == 0, found.generate_report()


def test_ten_ideas_are_open_and_the_others_open_with_a_click(shown):
    tab = shown()

    assert tab.locator("article.idea").count() == 10
    assert tab.locator("article.idea .prose").first.is_visible()
    (folded,) = [each for each in tab.locator("details.idea").all() if "12." in each.inner_text()]
    assert not folded.locator(".prose").is_visible()
    folded.locator("summary").click()
    assert folded.locator(".prose").is_visible()


def test_how_far_the_judges_moved_is_drawn(shown):
    figure = shown().locator("figure", has_text="How far the judges moved")

    assert figure.locator("svg").count() == 1
    assert "Last: 0.05." in figure.inner_text()


def test_an_idea_is_called_by_what_it_was_made_of(shown):
    tab = shown()

    heading = tab.locator("article.idea", has_text="essay/e12").locator("h2").inner_text()
    assert heading.endswith("Bee + An idea")
    tree = tab.locator("article.idea", has_text="essay/e12").locator(".family")
    assert tree.first.inner_text().split() == ["Bee", "An", "idea", "round", "1", "Ant", "Bee"]
