from contextlib import suppress

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daydreaming_dagster.domain.catalog import Catalog, TemplateEntry
from daydreaming_dagster.domain.errors import CatalogError, ResponseParseError
from daydreaming_dagster.domain.parsing.registry import find_parser, parsers_of
from daydreaming_dagster.domain.parsing.response import ParsedResponse, ResponseReader, Score
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.types import STAGES

read_score = find_parser("in_last_line")


@given(st.text())
def test_any_text_is_read_or_refused(response):
    for name in ("in_last_line", "json_score", "essay_block", "essay_idea_last"):
        with suppress(ResponseParseError):
            assert find_parser(name)(response).text.strip()


TEXT_PARSERS, SCORE_PARSERS = map(parsers_of, (SHIPPED["draft"], SHIPPED["evaluation"]))
SHAPES = [
    " ", "\n", "7", "-", "[", "**", "`", "<think>", "<essay>\n", "</essay>", '{"a":', "SCORE: 7\n",
    "SCORE: ", "if the final score is 7 ", "<think></think>", '{"score": 7}',
]  # fmt: skip


@pytest.mark.parametrize("name", sorted({*parsers_of(SHIPPED["draft"]), *SCORE_PARSERS}))
@pytest.mark.parametrize("shape", SHAPES)
def test_a_megabyte_of_hostile_text_is_read_or_refused_and_does_not_hang(name, shape):
    # Quadratic work on a text of this length takes minutes.
    answer = f"SCORE: 5{shape * (1_000_000 // len(shape))}x"

    with suppress(ResponseParseError):
        assert find_parser(name)(answer).text


def test_the_maximum_of_a_template_is_that_of_answers_which_state_none():
    reader = ResponseReader("in_last_line", SCORE_PARSERS["in_last_line"], True, 10)

    assert reader("SCORE: 10").score == Score(10, 10)
    assert reader("SCORE: 4/5").score == Score(4, 5)


def test_scores_of_different_scales_are_different_shares():
    assert read_score("SCORE: 7").score.normalised == pytest.approx(7 / 9)
    assert read_score("SCORE: 7/10").score.normalised == pytest.approx(0.7)


def scale(minimum, maximum):
    parse = SCORE_PARSERS["in_last_line"]
    return ResponseReader("in_last_line", parse, True, maximum, minimum)


@pytest.mark.parametrize(
    ("answer", "share"),
    [
        ("SCORE: 1", 0), ("SCORE: 3", 0.5), ("SCORE: 5", 1), ("SCORE: 4/5", 0.75),
        ("SCORE: 4 (1-5)", 0.75), ("Score (1-5): 4", 0.75), ("SCORE: 4 on a scale of 1 to 5", 0.75),
    ],
)  # fmt: skip
def test_the_worst_score_of_a_scale_with_a_minimum_is_a_share_of_0(answer, share):
    assert scale(1, 5)(answer).score.normalised == share


@pytest.mark.parametrize(
    ("minimum", "maximum", "answer", "reason"),
    [
        (1, 5, "SCORE: 0", "score 0 is outside 1 to 5"),
        (1, 5, "SCORE: 8/10", "the scale of 8/10 is not the template's, 1 to 5"),
        (1, 5, "SCORE: 80%", "the scale of 80/100 is not the template's, 1 to 5"),
        (1, 5, "SCORE: 4 (0-5)", "the scale of 4/5 is not the template's, 1 to 5"),
        (0, 9, "SCORE: 7 on a scale of 1 to 10", "the scale of 7/10 is not the template's, 0 to 9"),
        (0, 9, "I use a scale of 0 to 10.\n\nSCORE: 7", "speaks of a scale to 10"),
    ],
)
def test_a_scale_that_contradicts_the_templates_is_refused(minimum, maximum, answer, reason):
    with pytest.raises(ResponseParseError, match=reason):
        scale(minimum, maximum)(answer)


def test_a_score_with_a_minimum_of_0_is_the_one_that_says_none():
    assert scale(0, 5)("SCORE: 4 (0-5)").score == Score(4, 5)
    assert scale(1, 5)("SCORE: 4").score == Score(4, 5, 1)


def test_an_answer_that_was_cut_off_is_refused_even_if_it_could_be_read():
    with pytest.raises(ResponseParseError, match="cut off; raise max_tokens"):
        read_score("SCORE: 7", truncated=True)


@pytest.mark.parametrize(("text", "passes"), [("a\n\n \nb", False), ("a\nb\n\nc", True)])
def test_a_text_of_too_few_lines_is_refused_where_a_minimum_is_said(text, passes):
    reader = ResponseReader("identity", TEXT_PARSERS["identity"], minimum_lines=3)

    if passes:
        assert reader(text).text == text
    else:
        with pytest.raises(
            ResponseParseError, match="2 lines, but the template requires at least 3"
        ):
            reader(text)


def catalog_of(stage, entry, parsers=None):
    catalog = Catalog({}, {(stage, entry.template_id): entry}, {})
    return catalog if parsers is None else attrs.evolve(catalog, parsers=parsers)


def test_a_catalog_reads_each_template_in_its_own_way():
    draft = TemplateEntry("t", "essay_block", minimum_lines=2)
    judge = TemplateEntry("t", score_maximum=10)

    read_draft = catalog_of("draft", draft).reader("draft", "t")
    read_judge = catalog_of("evaluation", judge).reader("evaluation", "t")

    assert read_draft("<essay>a\nb</essay>").text == "a\nb"
    with pytest.raises(ResponseParseError, match="1 line, but"):
        read_draft("<essay>a</essay>")
    assert read_judge("SCORE: 10").score == Score(10, 10)


def test_an_evaluation_without_a_score_is_none_whatever_its_parser_says():
    parsers = {"evaluation": {"mine": ParsedResponse}}
    reader = catalog_of("evaluation", TemplateEntry("t", "mine"), parsers).reader("evaluation", "t")

    with pytest.raises(ResponseParseError, match="parser mine: the parser reads no score"):
        reader("SCORE: 7")


@pytest.mark.parametrize(
    ("stage", "parser"),
    [("draft", "in_last_line"), ("essay", "json_score"), ("evaluation", "identity")],
)
def test_a_parser_belongs_to_the_stages_whose_answers_it_reads(stage, parser):
    catalog = catalog_of(stage, TemplateEntry("t", parser))

    with pytest.raises(CatalogError, match=f"unknown parser '{parser}'; known are"):
        catalog.reader(stage, "t")


@pytest.mark.parametrize("stage", STAGES)
def test_a_template_that_names_no_parser_has_the_default_of_its_stage(stage):
    reader = catalog_of(stage, TemplateEntry("t")).reader(stage, "t")

    assert reader.parser == ("in_last_line" if stage == "evaluation" else "identity")
    with pytest.raises(CatalogError, match="there is no 'other'"):
        catalog_of(stage, TemplateEntry("t")).reader(stage, "other")


def test_a_parser_that_is_not_built_in_is_not_found_by_name():
    with pytest.raises(CatalogError, match="unknown parser 'tea'; known are essay_block, "):
        find_parser("tea")
