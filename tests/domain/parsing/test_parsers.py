"""What is read in answers, and what is refused rather than guessed."""

import json
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daydreaming_dagster.domain.catalog import Catalog, TemplateEntry
from daydreaming_dagster.domain.errors import CatalogError, ResponseParseError
from daydreaming_dagster.domain.parsing.registry import PARSERS, RESPONSE_FORMATS, find_parser
from daydreaming_dagster.domain.parsing.response import ParsedResponse, ResponseReader, Score
from daydreaming_dagster.types import STAGES

read_score = find_parser("in_last_line")


def score(response):
    found = read_score(response).score
    return found.value, found.maximum


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("SCORE: 7", (7, 9)),
        ("Fine.\n\nSCORE: 7\n\n", (7, 9)),
        ("score = 6.5", (6.5, 9)),
        ("SCORE: 0", (0, 9)),
        ("SCORE: 07", (7, 9)),
        ("**SCORE: 7**", (7, 9)),
        ("**SCORE:** 7", (7, 9)),
        ("SCORE: **7**", (7, 9)),
        ("`SCORE: 7`", (7, 9)),
        ("```\nSCORE: 7\n```", (7, 9)),
        ("__Score__: 7.", (7, 9)),
        ("SCORE: 7/10", (7, 10)),
        ("SCORE: **7**/10", (7, 10)),
        ("SCORE: 7 / 10", (7, 10)),
        ("SCORE: 7\N{FRACTION SLASH}10", (7, 10)),
        ("SCORE: 7 out of 10", (7, 10)),
        ("SCORE: 7 (out of 10)", (7, 10)),
        ("SCORE: 7 points out of 10", (7, 10)),
        ("SCORE: 7 of 10.", (7, 10)),
        ("SCORE: 7 (good)", (7, 9)),
        ("SCORE: 7 - solid work", (7, 9)),
        ("SCORE: 3/5 (problem 1/2, solution 2/3)", (3, 5)),
        ("### SCORE: 5/10  \n**Breakdown**: concepts 2.5/5", (5, 10)),
        ("### **SCORE:**  \n**Total Score: 7/10**  \n\nSummary", (7, 10)),
        ("**Final Score**:  \n**4/10**  \nBecause", (4, 10)),
        ("### Final Score\n\n**2/10**\n- **Core**: 2/5", (2, 10)),
        ("Overall score: 8", (8, 9)),
        ("Final total score: 8", (8, 9)),
        ("Score (0-10): 7", (7, 10)),
        ("Score (0\N{EN DASH}10): 7/10", (7, 10)),
        ("Score (out of 10): 7", (7, 10)),
        ("Score (max 5): 4", (4, 5)),
        ("- Score: 1/2\n- Score: 0/2\n- **Total Score**: 1/4", (1, 4)),
        ("SCORE: 4/10\n- Score: 1/2\n1. Score: 2/2", (4, 10)),
        ("SCORE: 3\nOn reflection:\nSCORE: 5", (5, 9)),
        ("Nothing new in it. The final score is 6 out of 10.", (6, 10)),
        ("A total score of 6/10 is fair.", (6, 10)),
        ("It reads well and says little. SCORE: 4", (4, 9)),
        ("SCORE: 6/10\nThe final score is 6/10 for the reasons above.", (6, 10)),
        ("<think>SCORE: 2</think>SCORE: 7", (7, 9)),
        ("maybe a total score of 2</think>\nSCORE: 7", (7, 9)),
        ("SCORE: 7\n<thinking>or rather\nSCORE: 2", (7, 9)),
        ("SCORE: 7\n> SCORE: 9", (7, 9)),
        ("The essay demands:\n> SCORE: 9\nSCORE: 1", (1, 9)),
        ("SCORE: 7\r\n", (7, 9)),
        ("\ufeffSCORE: 1\u2028SCORE: 7", (7, 9)),
    ],
)
def test_a_score_is_read_as_a_person_reads_it(response, expected):
    assert score(response) == expected


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ("", "no line gives a score"),
        ("I like it.", "no line gives a score"),
        ("SCORE: X", "no single number after the label of the score, but 'X'"),
        ("SCORE: 7\nSCORE: X", "no single number"),
        ("SCORE:", "no single number after the label of the score, but ''"),
        ("SCORE: seven", "no single number"),
        ("SCORE: 7-8", "no single number"),
        ("SCORE: 7 \N{EN DASH} 8", "no single number"),
        ("SCORE: 7 or 8", "no single number"),
        ("SCORE: 7 to 8", "no single number"),
        ("SCORE: 4 + 3 = 7", "no single number"),
        ("SCORE: 6.5/10 \N{RIGHTWARDS ARROW} rounded to 7/10", "no single number"),
        ("SCORE: 6.5 -> 7", "no single number"),
        ("SCORE: 7,5", "no single number"),
        ("SCORE: 6.5.1", "no single number"),
        ("SCORE: 7/10/2024", "no single number"),
        ("SCORE: 85%", "no single number"),
        ("SCORE: 85 %", "no single number"),
        ("SCORE: 7e5", "no single number"),
        ("SCORE: 7th", "no single number"),
        ("SCORE: -1", "no single number"),
        ("SCORE: 1234567", "no single number"),
        ("SCORE: NaN", "no single number"),
        ("SCORE: 10", "score 10 is outside 0 to 9"),
        ("SCORE: 11/10", "score 11/10 is outside 0 to 10"),
        ("SCORE: 0/0", "outside 0 to 0"),
        ("Score (A-F): 5", "the scale of 'Score (A-F):'"),
        ("Score (0-10): 4/5", "the scale of 'Score (0-10):' is not that of '4/5'"),
        ("- Score: 1/2\n- Score: 2/2", "no line gives a score"),
        ("- SCORE: 7", "no line gives a score"),
        ("| Score | 7/10 |", "no line gives a score"),
        ("Core score: 3\nStyle score: 5", "no line gives a score"),
        ("Score: 3/5\nThe final score is 5/10.", "two scores, 3/5 and 5/10"),
        ("SCORE: 1\nIt asked me to end with SCORE: 9", "two scores, 1 and 9"),
        ("<think>the final score is 7", "no line gives a score"),
        ("<think>SCORE: 7</think>", "no line gives a score"),
        ("SCORE: 7\n</think>\nWell done.", "no line gives a score"),
        ("> SCORE: 9", "no line gives a score"),
    ],
)
def test_what_a_person_could_take_in_two_ways_is_no_score(response, reason):
    with pytest.raises(ResponseParseError) as caught:
        read_score(response)

    assert reason in str(caught.value)
    assert str(caught.value).endswith(repr(response[-200:]))


@given(value=st.integers(0, 10**6 - 1), maximum=st.integers(1, 10**6 - 1), text=st.text())
def test_a_last_line_of_its_own_is_read_whatever_comes_before_it(value, maximum, text):
    before = text.replace("<", "").replace("`", "")

    found = PARSERS["evaluation"]["in_last_line"](f"{before}\nSCORE: {value}/{maximum}").score

    assert found == Score(value, maximum)


@given(st.text())
def test_any_text_is_read_or_refused(response):
    for name in ("in_last_line", "json_score", "essay_block", "essay_idea_last"):
        try:
            assert find_parser(name)(response).text.strip()
        except ResponseParseError as error:
            assert str(error)  # noqa: PT017  either way is right


@pytest.mark.parametrize("name", sorted({*PARSERS["draft"], *PARSERS["evaluation"]}))
@pytest.mark.parametrize(
    "part",
    [
        "score ",
        "score",
        "final ",
        "* ",
        "score (",
        "<essay>",
        "<think>",
        "<essay-idea stage=",
        "[",
        "7",
        "SCORE: 1\n",
        "final score of ",
        "\t",
        "</essay>",
        "<essay ",
    ],
)
def test_hostile_answers_take_no_longer_than_their_length(name, part):
    def seconds(repeats):
        started = time.process_time()
        with suppress(ResponseParseError):
            find_parser(name)(part * repeats)
        return time.process_time() - started

    # A quadratic pattern would need minutes for these 300,000 characters.
    assert seconds(300_000 // len(part)) < 5


def test_the_maximum_of_a_template_is_that_of_answers_which_state_none():
    reader = ResponseReader("in_last_line", PARSERS["evaluation"]["in_last_line"], True, 10)

    assert reader("SCORE: 10").score == Score(10, 10)
    assert reader("SCORE: 4/5").score == Score(4, 5)


def test_scores_of_different_scales_are_different_shares():
    assert read_score("SCORE: 7").score.normalised == pytest.approx(7 / 9)
    assert read_score("SCORE: 7/10").score.normalised == pytest.approx(0.7)


IDEA = "<essay-idea stage='{}'>\n{}\n</essay-idea>"


@pytest.mark.parametrize(
    ("parser", "response", "text"),
    [
        ("identity", " as it\r\n is ", " as it\r\n is "),
        ("identity", "", ""),
        ("essay_block", "Plan.\n<essay>\nText.\n</essay>\nDone.", "Text."),
        ("essay_block", "<ESSAY title='x'>Text.</Essay>", "Text."),
        ("essay_block", "Plan.\n<essay>\nText goes on", "Text goes on"),
        ("essay_block", "<essay>first</essay><essay>second</essay>", "second"),
        ("essay_block", "<essay>whole</essay> I wrote an <essay> as asked", "whole"),
        ("essay_block", "<essay>a < b and <em>c</em></essay>", "a < b and <em>c</em>"),
        ("essay_block", "<essay>an <essay-idea>x</essay-idea></essay>",
         "an <essay-idea>x</essay-idea>"),
        ("essay_block_lenient", "<thinking>no</thinking>\nText.\n", "Text."),
        ("essay_block_lenient", "<thinking><essay>no</essay></thinking> Text.", "Text."),
        ("essay_block_lenient", "<think>no</think><essay>Text.</essay> bye", "Text."),
        ("essay_block_lenient", "no</thinking>Text.", "Text."),
        ("essay_block_lenient", "Text.", "Text."),
        ("essay_block_lenient", "Text.<thinking>and on", "Text."),
        ("essay_idea_last", IDEA.format(1, "one") + IDEA.format(2, "two"), "two"),
        ("essay_idea_last", IDEA.format(10, "ten") + IDEA.format(9, "nine"), "ten"),
        ("essay_idea_last", IDEA.format(2, "two") + IDEA.format(2, "again"), "again"),
        ("essay_idea_last", "<essay-idea>a</essay-idea> <essay-idea>b</essay-idea>", "b"),
        ("essay_idea_last", IDEA.format(1, "one") + "<essay-idea>none</essay-idea>", "one"),
        ("essay_idea_last", '<essay-idea stage="3" x>three</essay-idea>', "three"),
        ("essay_idea_last", IDEA.format(2, "two") + "an <essay-idea> is", "two"),
    ],
)  # fmt: skip
def test_the_text_between_tags_is_taken(parser, response, text):
    assert find_parser(parser)(response) == ParsedResponse(text)


@pytest.mark.parametrize(
    ("parser", "response", "reason"),
    [
        ("essay_block", "Text.", "there is no <essay> block"),
        ("essay_block", "<essay-idea>x</essay-idea>", "there is no <essay> block"),
        ("essay_block", "<essay> \n</essay>", "the essay is blank"),
        ("essay_block_lenient", "<thinking>no</thinking> \n", "the essay is blank"),
        ("essay_block_lenient", "<thinking>and on and on", "the essay is blank"),
        ("essay_idea_last", "Text.", "there is no <essay-idea> block"),
        ("essay_idea_last", "<essay-idea> </essay-idea>", "the essay-idea is blank"),
        ("essay_idea_last", IDEA.format(1, "one") + "<essay-idea stage='2'>tw",
         "<essay-idea> block 2 is not closed"),
    ],
)  # fmt: skip
def test_a_text_that_is_not_there_is_refused(parser, response, reason):
    with pytest.raises(ResponseParseError, match=reason):
        find_parser(parser)(response)


@pytest.mark.parametrize(
    "wrapped", ["{}", "```json\n{}\n```", "```\n{}```", "<think>{{}}</think>\n{}", " \n{}\n"]
)
def test_a_judge_in_json_gives_score_and_reasoning(wrapped):
    answer = wrapped.format('{"reasoning": "New.\\nBold.", "score": 6.5, "other": 1}')

    parsed = find_parser("json_score")(answer)

    assert parsed == ParsedResponse("New.\nBold.\n\nSCORE: 6.5", Score(6.5, 9))
    assert read_score(parsed.text).score == parsed.score


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("SCORE: 7", "not one JSON object"),
        ("", "not one JSON object"),
        ('{"score": 7, "reasoning": "cut o', "not one JSON object"),
        ('{"score": 7, "reasoning": ""} {"score": 8, "reasoning": ""}', "not one JSON object"),
        ('{"score": 7, "score": 8, "reasoning": ""}', "a key is there twice"),
        ('{"score": NaN, "reasoning": ""}', "NaN is no JSON value"),
        ("[7]", "not a JSON object, but [7]"),
        ('{"reasoning": "x"}', "score is no number, but None"),
        ('{"score": "7/10", "reasoning": "x"}', "score is no number, but '7/10'"),
        ('{"score": true, "reasoning": "x"}', "score is no number, but True"),
        ('{"score": 1e400, "reasoning": "x"}', "score is no number, but inf"),
        ('{"score": ' + "9" * 400 + ', "reasoning": "x"}', "score is no number"),
        ('{"score": 7}', "reasoning is no text, but None"),
        ('{"score": -1, "reasoning": "x"}', "score -1 is outside 0 to 9"),
        ('{"score": 10, "reasoning": "x"}', "score 10 is outside 0 to 9"),
        ("[" * 100_000, "not one JSON object"),
    ],
)
def test_a_judge_whose_json_is_something_else_is_refused(answer, reason):
    with pytest.raises(ResponseParseError) as caught:
        find_parser("json_score")(answer)

    assert reason in str(caught.value)


def test_an_answer_in_the_format_that_endpoints_are_asked_for_is_read():
    schema = RESPONSE_FORMATS["json_score"]["json_schema"]["schema"]
    answer = {"reasoning": "New.", "score": 3}

    assert list(schema["properties"]) == schema["required"] == list(answer)
    assert find_parser("json_score")(json.dumps(answer)).score == Score(3, 9)


def test_an_answer_that_was_cut_off_is_refused_even_if_it_could_be_read():
    with pytest.raises(ResponseParseError, match="cut off; raise max_tokens"):
        read_score("SCORE: 7", truncated=True)


@pytest.mark.parametrize(("text", "passes"), [("a\n\n \nb", False), ("a\nb\n\nc", True)])
def test_a_text_of_too_few_lines_is_refused_where_a_minimum_is_said(text, passes):
    reader = ResponseReader("identity", PARSERS["draft"]["identity"], minimum_lines=3)

    if passes:
        assert reader(text).text == text
    else:
        with pytest.raises(ResponseParseError, match="2 lines, and at least 3 are due"):
            reader(text)


def catalog_of(stage, entry, parsers=PARSERS):
    return Catalog({}, {(stage, entry.template_id): entry}, {}, parsers)


def test_a_catalog_reads_each_template_in_its_own_way():
    draft = TemplateEntry("t", "essay_block", minimum_lines=2)
    judge = TemplateEntry("t", score_maximum=10)

    read_draft = catalog_of("draft", draft).reader("draft", "t")
    read_judge = catalog_of("evaluation", judge).reader("evaluation", "t")

    assert read_draft("<essay>a\nb</essay>").text == "a\nb"
    with pytest.raises(ResponseParseError, match="1 line, and"):
        read_draft("<essay>a</essay>")
    assert read_judge("SCORE: 10").score == Score(10, 10)


def test_an_evaluation_without_a_score_is_none_whatever_its_parser_says():
    parsers = {**PARSERS, "evaluation": {"mine": ParsedResponse}}
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
