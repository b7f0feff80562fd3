"""The report as a reader has it: in a browser, from a file, without a network."""

import re
from functools import partial

import pytest
from axe_playwright_python.sync_playwright import Axe

from daydreaming_dagster.domain.results.naming import short_id

PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
DARK = {"color_scheme": "dark"}


@pytest.fixture
def read(open_report, made):
    """Return a function that opens the report with settings of a browser's context."""
    return partial(open_report, made)


def essay(made, first, template="story"):
    """An essay whose text is the hostile one under this name."""
    return next(
        item
        for item in made.report.generations["essay"]
        if item.combo.startswith(f"{first}+") and item.member.template == template
    )


# Nothing harmful happens


def test_no_request_leaves_the_page_and_nothing_is_complained_about(read, made):
    reader = read()
    for item in made.report.generations["essay"][::7]:
        reader.open(item)
        reader.unfold()

    assert {re.sub("#.*", "", url) for url in reader.requests} == {reader.url}
    assert reader.complaints == []


def test_texts_of_models_are_shown_and_not_run(read, made):
    reader = read()
    for first in "abcdefghjk":
        reader.open(essay(made, first))
        shown = reader.page.locator("#reader .prose").first
        reader.page.evaluate(
            "for (const one of document.querySelectorAll('#reader *'))"
            " one.dispatchEvent(new MouseEvent('mouseover', {bubbles: true}))"
        )
        harmful = reader.page.evaluate(
            """[...document.querySelectorAll('#reader *')].filter((one) =>
                 one.matches('script, img, svg, iframe, style, object, i')
                 || [...one.attributes].some(({name}) => name.startsWith('on') || name === 'style')
                 || (one.href && !/^(https?|mailto|file):/.test(one.href))).length"""
        )
        assert harmful == 0, first
        assert shown.inner_text().strip(), first
    assert reader.page.evaluate("window.harmed") is None
    assert reader.complaints == []


@pytest.mark.parametrize(
    ("first", "written"),
    [
        ("a", "<script>window.harmed = 1</script></script><SCRIPT>window.harmed=1</SCRIPT>"),
        ("b", "[click](javascript:window.harmed=1)"),
        ("c", '<b onmouseover="window.harmed=1">bold</b>'),
        ("d", '<svg onload="window.harmed=1">'),
        ("e", "<img src=https://example.invalid/y.png>"),
        ("f", "\u241b[31mred\u241b[0m\u2400\u2407 and \ufffd0m"),
        ("k", "<!-- ]]> --> <i> \U0001f400"),
    ],
)
def test_what_a_model_wrote_can_be_read(read, made, first, written):
    reader = read()
    reader.open(essay(made, first))

    assert written in reader.page.locator("#reader .prose").first.inner_text()


def test_headings_of_texts_are_below_those_of_the_page_and_links_lead_out_safely(read, made):
    reader = read()
    reader.open(essay(made, "j"))

    headings = reader.page.locator("#reader .prose").first.locator("h1, h2, h3, h4, h5, h6")
    tags = headings.evaluate_all("(all) => all.map((one) => one.tagName)")
    link = reader.page.locator("#reader .prose a").first
    assert tags == ["H3", "H3", "H4"]
    assert link.get_attribute("rel") == "noopener noreferrer"


# What is not there is shown as such


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ("h", "The answer could not be parsed, so it is not used.\nI like it <i>very</i> much."),
        ("c", "The answer was cut off, so it is not used.\nIt is too lo"),
        ("k", "No model has answered yet."),
    ],
)
def test_an_evaluation_without_a_score_says_why(read, made, first, said):
    reader = read()
    reader.open(essay(made, first))
    text = reader.page.locator("#reader .evaluation").first.inner_text()

    assert said in re.sub(r"\n+", "\n", text)


def test_an_essay_that_is_blank_says_so(read, made):
    reader = read()
    reader.open(essay(made, "i"))

    assert "The text is empty." in reader.page.locator("#reader").inner_text()


def test_an_essay_comes_with_all_that_it_was_made_of(read, made):
    reader = read()
    item = essay(made, "a")
    reader.open(item)

    text = reader.page.locator("#reader").evaluate("(one) => one.textContent")
    for part in (
        made.store.read_prompt("essay", item.member.gen_id),
        made.store.read_prompt(*item.parents[0].ref),
        "a is <i>a</i>.",
        '"llm_model_id": "big"',
        '"prompt_sha256"',
        "A reason, said by a zebra.",
        "50 tokens in, 9 tokens out, 2.0 s, 0.00019 USD",
    ):
        assert part in text


def test_generations_that_lack_something_are_one_click_away(read):
    reader = read()
    reader.page.click("a[href='#/list/failed']")
    reader.page.wait_for_selector("#found >> text=/^20 of 220 evaluations/")

    assert reader.page.locator("#list tbody").inner_text().count("cut off") == 10
    assert reader.focused == "Generations"


# Search and filters


def test_search_finds_what_models_wrote(read):
    reader = read()
    reader.page.fill("input[name=query]", "DESREVER")
    reader.found(5)
    reader.page.fill("input[name=query]", "no such word")
    reader.found(0)
    reader.page.select_option("select[name=stage]", "evaluation")
    reader.page.fill("input[name=query]", "zebra")
    reader.found(190)
    reader.page.click("button[type=reset]")
    reader.found(110)


def test_search_understands_regular_expressions(read):
    reader = read()
    reader.page.check("input[name=regex]")
    reader.page.fill("input[name=query]", r"rever\b\S*")
    reader.found(5)
    reader.page.fill("input[name=query]", "(")
    reader.page.wait_for_selector("#found >> text=/Invalid regular expression/")
    reader.page.uncheck("input[name=regex]")
    reader.page.fill("input[name=query]", "DESREVER")
    reader.found(5)
    assert reader.complaints == []


def test_a_matrix_has_a_row_for_each_combination_and_opens_its_texts(read, made):
    reader = read()
    reader.page.select_option("select[name=view]", "matrix")
    reader.page.wait_for_selector("#matrix tbody tr")

    assert reader.page.locator("#matrix thead th").count() == 3
    assert reader.page.locator("#matrix tbody tr").count() == 25
    assert "Page 1 of 3" in reader.page.locator("#pager").inner_text()
    assert not reader.page.locator("#list").is_visible()
    assert Axe().run(reader.page).response["violations"] == []
    best = made.report.ranks[0].gen_id
    reader.page.click(f"#matrix tbody tr:first-child a[href$='{best}']")
    reader.page.wait_for_selector(f"#reader-title >> text={best}")
    assert reader.complaints == []


def test_a_column_of_the_list_can_be_left_out(read):
    reader = read()
    reader.page.click("#columns summary")
    reader.page.uncheck("#columns input[value=words]")
    reader.page.uncheck("#columns input[value=state]")

    assert not reader.page.locator("#list .begins").first.is_visible()
    assert not reader.page.locator("#list .of-state").first.is_visible()
    assert reader.page.locator("#list .of-ranks").first.is_visible()


def test_search_finds_ids_and_names(read, made):
    reader = read()
    reader.page.fill("input[name=query]", essay(made, "g").member.gen_id)
    reader.found(1)
    reader.page.fill("input[name=query]", "copied")
    reader.found(55)


@pytest.mark.parametrize(
    ("field", "label", "count"),
    [
        ("template", "story", 55),
        ("template", "links", 110),
        ("llm", "copy", 55),
        ("combo", 'a + b "></script><img src=x onerror="window.harmed=1">', 2),
        ("state", "Complete", 110),
        ("state", "Missing", 0),
    ],
)
def test_essays_are_filtered(read, field, label, count):
    reader = read()
    reader.page.select_option(f"select[name={field}]", label=label)

    reader.found(count)


def test_a_name_that_is_markup_can_be_filtered_by(read):
    reader = read()
    reader.page.select_option("select[name=stage]", "evaluation")
    reader.page.select_option(
        "select[name=llm]", label='"></script><img src=x onerror="window.harmed=1">'
    )

    reader.found(110)
    assert reader.page.evaluate("window.harmed") is None


def test_scores_are_filtered_and_ordered(read, made):
    means = sorted(rank.mean for rank in made.report.ranks if rank.mean is not None)
    reader = read()
    reader.page.fill("input[name=least]", "0.9")
    reader.found(sum(mean >= 0.9 for mean in means))
    reader.page.fill("input[name=least]", "")
    reader.page.fill("input[name=most]", "0.2")
    reader.found(sum(mean <= 0.2 for mean in means))
    reader.page.select_option("select[name=order]", "worst")
    reader.page.wait_for_selector(f"#list tbody tr:first-child >> text='{means[0]:.2f}'")


def test_the_best_come_first_in_the_order_of_the_ranking(read, made):
    reader = read()
    reader.page.select_option("select[name=order]", "worst")
    reader.page.select_option("select[name=order]", "best")
    reader.found(110)

    assert reader.labels() == [short_id(rank.gen_id) for rank in made.report.ranks[:50]]


def test_a_long_list_has_pages(read):
    reader = read()
    assert len(reader.labels()) == 50
    first = reader.labels()[0]
    reader.page.click("#pager button[name=on]")
    reader.page.click("#pager button[name=on]")

    assert reader.page.locator("#pager").inner_text().split() == [
        "Previous",
        "Page",
        "3",
        "of",
        "3",
        "Next",
    ]
    assert len(reader.labels()) == 10
    assert reader.page.locator("#pager button[name=on]").is_disabled()
    reader.page.click("#pager button[name=back]")
    assert first not in reader.labels()


# Finding the way


def test_the_keyboard_alone_opens_an_essay_and_comes_back_to_where_it_was(read):
    reader = read()
    third = reader.page.locator("#list tbody a").nth(2)
    label = third.inner_text()
    third.focus()
    reader.page.keyboard.press("Enter")
    reader.page.wait_for_selector("#reader-title")
    assert reader.focused.startswith("Essay")
    assert not reader.page.locator("#overview").is_visible()

    reader.page.keyboard.press("Escape")

    reader.page.wait_for_selector("#overview")
    assert reader.focused == label
    assert not reader.page.locator("#reader").is_visible()


def test_the_skip_link_is_the_first_stop_and_leads_to_the_generations(read):
    reader = read()
    reader.page.keyboard.press("Tab")

    assert reader.focused == "Skip to the generations"


def test_neighbours_in_the_list_are_one_step_away(read):
    reader = read()
    order = reader.labels()
    reader.page.locator("#list tbody a").nth(0).click()
    reader.page.click("#reader >> text=Next")
    reader.page.wait_for_selector(f"#reader-title >> text={order[1].rstrip('…')}")
    reader.page.click("#reader >> text=Previous")
    reader.page.wait_for_selector(f"#reader-title >> text={order[0].rstrip('…')}")
    reader.page.keyboard.press("ArrowRight")
    reader.page.wait_for_selector(f"#reader-title >> text={order[1].rstrip('…')}")


def test_the_browsers_own_way_back_works(read):
    reader = read()
    reader.page.locator("#ranking table a").first.click()
    reader.page.wait_for_selector("#reader-title")
    reader.page.go_back()

    reader.page.wait_for_selector("#overview")


def test_sections_can_be_reached_from_an_open_essay(read, made):
    reader = read()
    reader.open(essay(made, "a"))
    reader.page.click("header >> text=Judges")
    reader.page.wait_for_selector("#judges-title")

    reader.page.wait_for_function(
        """() => {
          const { top } = document.querySelector("#judges").getBoundingClientRect();
          return 0 <= top && top < 200;
        }"""
    )


def test_a_draft_leads_to_its_essays_and_an_evaluation_to_its_essay(read, made):
    reader = read()
    reader.open(made.report.generations["draft"][0])
    assert reader.page.locator("#reader li a").count() == 2
    reader.open(made.report.generations["evaluation"][0])
    reader.page.click("#reader >> text=Of the essay >> a")

    reader.page.wait_for_selector("#reader h2 >> text=Evaluations")


def test_without_javascript_the_overview_is_there(read):
    context = read().page.context.browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(read().url)

    assert page.locator("#ranking-title").is_visible()
    assert page.locator("figure svg").count() == 7
    context.close()


# How it looks


def test_dark_and_light_follow_the_readers_setting(read):
    def colours(reader):
        return reader.page.evaluate(
            """[document.body, document.querySelector('.drawing text')]
                .map((one) => getComputedStyle(one))
                .map((style) => [style.backgroundColor, style.fill, style.color])"""
        )

    light, dark = colours(read()), colours(read(**DARK))

    assert light[0][0] == "rgb(251, 250, 248)"
    assert dark[0][0] == "rgb(20, 23, 26)"
    assert light[1][1] == light[0][2]
    assert dark[1][1] == dark[0][2] != light[0][2]


@pytest.mark.parametrize("settings", [{}, PHONE], ids=["wide", "phone"])
def test_no_text_makes_the_page_wider_than_its_window(read, made, settings):
    reader = read(**settings)

    def overhang():
        reader.unfold()
        return reader.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")

    assert overhang() <= 0
    for first in "abcdefghijk":
        reader.open(essay(made, first))
        assert overhang() <= 0, first


@pytest.mark.parametrize("settings", [{}, DARK, PHONE], ids=["light", "dark", "phone"])
def test_axe_finds_nothing_that_keeps_anybody_out(read, made, settings):
    reader = read(**settings)

    def violations():
        reader.unfold()
        return [
            (found["id"], [node["html"][:200] for node in found["nodes"]])
            for found in Axe().run(reader.page).response["violations"]
        ]

    assert violations() == []
    for item in (essay(made, "j"), essay(made, "g"), made.report.generations["draft"][0]):
        reader.open(item)
        assert violations() == []
