"""The report of stages of one's own: critiques, revisions, summaries, duels."""

import json
import re
from collections import Counter

import pytest
from axe_playwright_python.sync_playwright import Axe

PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}


def first(made, stage, template=None):
    return next(
        item for item in made.report.generations[stage] if template in (None, item.member.template)
    )


def texts_of(made, refs):
    return [made.store.read_parsed(*ref)[:20] for ref in refs]


@pytest.fixture
def read(open_report, deep):
    """Return a function that opens a generation, and returns the reader."""

    def call(item, **settings):
        reader = open_report(deep, **settings)
        reader.open(item)
        return reader

    return call


def sections(reader):
    return reader.page.locator("#reader h2").all_inner_texts()


# The file


def test_the_index_says_what_stages_are_and_each_parent_with_its_role(deep):
    index = json.loads(re.search(r'id="index">(.*?)</script>', deep.html)[1])
    rows = [dict(zip(index["fields"], row, strict=True)) for row in index["rows"]]

    assert {name: (kind["judges"], kind["judged"]) for name, kind in index["stages"].items()} == {
        "draft": (None, False),
        "essay": (None, True),
        "critique": (None, False),
        "revision": (None, True),
        "summary": (None, False),
        "duel": ("pairs", False),
        "evaluation": ("scores", False),
    }
    parents = {
        (row["stage"], *((role, stage) for role, stage, _ in row["parents"])) for row in rows
    }
    assert parents == {
        ("draft",),
        ("essay", ("draft", "draft")),
        ("critique", ("essay", "essay")),
        ("revision", ("essay", "essay"), ("critique", "critique")),
        ("summary", *[("essays", "essay")] * 3),
        ("duel", ("first", "essay"), ("second", "essay")),
        ("evaluation", ("essay", "essay")),
        ("evaluation", ("revision", "revision")),
    }


def test_the_ranking_names_the_stage_of_each_text(deep):
    ranking = re.search(r'<section id="ranking".*?</section>', deep.html, re.DOTALL)[0]
    body = ranking.rpartition("<tbody>")[2]

    assert "The first 10 texts" in ranking
    assert "All 12 texts" in ranking
    listed = re.findall(r"<td>(\w+)</td>\s*<th scope=\"row\">\s*<a [^>]*#/(\w+)/(\w+)", body)
    assert listed == [(rank.stage, *rank.ref) for rank in deep.report.ranks[:10]]


def test_stages_that_nobody_scores_have_no_ranking(unjudged):
    assert 'id="concerns"' in unjudged.html
    assert not re.search('id="(ranking|comparison|judges)"', unjudged.html)
    assert "#ranking" not in unjudged.html


def test_figures_say_what_is_judged(deep):
    figures = {figure.name: figure for figure in deep.figures}

    assert figures["agreement"].columns[2] == "texts"
    assert {row[2] for row in figures["agreement"].rows} == {12, 0}
    counts = Counter({row[0]: 0 for row in figures["template-model"].rows})
    for stage, _, _, _, scores in (*figures["template-model"].rows, *figures["judge-means"].rows):
        counts[stage] += scores
    # An essay's row has the scores of its revision, too.
    assert counts == {"draft": 24, "essay": 24, "critique": 12, "revision": 12, "evaluation": 24}
    assert "Scores also count for what the judged text was made from." in (
        figures["template-model"].alt
    )


# In a browser


def test_a_revision_has_its_essay_and_critique_side_by_side_and_its_judges(read, deep):
    revision = first(deep, "revision")
    reader = read(revision)

    assert sections(reader) == ["Text", "Evaluations", "Essay", "Critique", "How it was made"]
    pair = reader.page.locator("#reader .pair.even > section")
    shown = [text.split("\n\n")[1][:20] for text in pair.all_inner_texts()]
    assert shown == texts_of(deep, [parent.ref for parent in revision.parents])
    left, right = (pair.nth(place).bounding_box() for place in (0, 1))
    assert left["y"] == right["y"]
    assert left["width"] == right["width"]
    assert "Sound, says small-1." in reader.page.locator("#reader .side").text_content()
    assert reader.complaints == []


def test_a_summary_has_links_to_all_that_it_sums_up(read, deep):
    summary = first(deep, "summary")
    reader = read(summary)

    assert sections(reader) == ["Text", "Made from: essays", "How it was made"]
    links = reader.page.locator("#reader li a")
    assert [link.get_attribute("href") for link in links.all()] == [
        f"#/{parent.ref}" for parent in summary.parents
    ]


def test_an_essay_has_what_is_made_from_it_by_stage(read, deep):
    reader = read(first(deep, "essay"))

    assert sections(reader) == [
        *("Text", "Evaluations", "Draft", "Concepts"),
        *("Critiques made from it", "Revisions made from it", "Summaries made from it"),
        *("Duels with it", "Other essays of the same draft", "How it was made"),
    ]
    assert reader.page.locator("#reader .evaluation").count() == 2
    assert reader.page.locator("#reader li a").count() == 1 + 1 + 1 + 4 + 2 * 2


def test_a_duel_has_both_texts_in_their_roles(read, deep):
    reader = read(first(deep, "duel"))

    assert sections(reader) == ["Answer", "First (essay)", "Second (essay)", "How it was made"]
    assert "The first has more to say." in reader.page.locator("#reader .prose").first.inner_text()


def test_an_evaluation_leads_to_the_revision_that_it_judges(read, deep):
    evaluation = next(
        row for row in deep.report.generations["evaluation"] if row.parents[0].role == "revision"
    )
    reader = read(evaluation)
    reader.page.click("#reader >> text=Of the revision >> a")

    reader.page.wait_for_selector(f"#reader-title >> text={evaluation.parents[0].ref.gen_id}")


def test_the_list_shows_all_that_is_judged_or_one_stage(open_report, deep):
    reader = open_report(deep)
    kinds = reader.page.locator("select[name=stage] option").all_inner_texts()
    reader.found(12)

    assert kinds == [
        *("Texts", "Essays", "Revisions", "Drafts", "Critiques", "Summaries", "Duels"),
        "Evaluations",
    ]
    assert Counter(
        text.split()[0] for text in reader.page.locator("#list tbody th").all_inner_texts()
    ) == {"essay": 6, "revision": 6}
    reader.page.select_option("select[name=stage]", "summary")
    reader.found(2)
    reader.page.select_option("select[name=template]", label="tale")
    reader.found(2)
    reader.page.select_option("select[name=stage]", "critique")
    reader.page.select_option("select[name=template]", label="tale")
    reader.found(2)


@pytest.mark.parametrize(
    "settings", [{}, {"color_scheme": "dark"}, PHONE], ids=["light", "dark", "phone"]
)
def test_axe_finds_nothing_that_keeps_anybody_out(open_report, deep, settings):
    reader = open_report(deep, **settings)
    for stage in (None, "revision", "summary", "essay", "duel"):
        reader.open(None if stage is None else first(deep, stage))
        reader.unfold()
        violations = Axe().run(reader.page).response["violations"]
        assert [(found["id"], found["nodes"][0]["html"][:200]) for found in violations] == []
        width = "document.documentElement.scrollWidth - window.innerWidth"
        assert reader.page.evaluate(width) <= 0
