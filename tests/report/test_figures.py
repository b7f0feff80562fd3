"""Figures say in words and numbers what they show, and stand alone as files."""

from xml.etree import ElementTree as ET

import pytest

from daydreaming_dagster.domain.results.naming import short_id

NAMES = [
    "ranking",
    "template-model",
    "judge-means",
    "agreement",
    "scores-by-judge",
    "cost",
    "latency",
]


@pytest.fixture(params=NAMES)
def figure(request, made):
    return next(figure for figure in made.figures if figure.name == request.param)


def test_a_figure_is_a_well_formed_drawing_that_asks_for_nothing(figure):
    svg = figure.svg()

    root = ET.fromstring(svg)  # noqa: S314  it is the figure's own
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert not {"script", "image", "style"} & {element.tag.split("}")[1] for element in root.iter()}
    # Several drawings are in one page, whose policy allows no style attribute.
    assert not any({"id", "style", "href"} & set(element.attrib) for element in root.iter())


def test_a_figure_takes_the_colour_of_the_page_and_is_dark_on_paper(figure):
    assert "currentColor" in figure.svg("currentColor")
    assert "currentColor" not in figure.svg()


def test_a_figure_is_a_picture_too(figure):
    assert figure.png().startswith(b"\x89PNG")


def test_a_figure_says_what_it_shows(figure):
    assert figure.alt.endswith(".")
    assert figure.title
    assert all(len(row) == len(figure.columns) for row in figure.rows)
    assert figure.rows


def test_the_ranking_shows_the_best_essays_in_order(made):
    ranking = made.figures[0]
    means = [row[3] for row in ranking.rows]

    assert len(means) == 20
    assert means == sorted(means, reverse=True)
    first = made.report.ranks[0]
    assert ranking.rows[0][1:3] == (short_id(first.gen_id), first.band)


def test_names_that_are_markup_stay_text(made):
    judges = next(figure for figure in made.figures if figure.name == "scores-by-judge")

    texts = ET.fromstring(judges.svg()).itertext()  # noqa: S314  it is the figure's own
    assert any("<img src=x" in text for text in texts)
