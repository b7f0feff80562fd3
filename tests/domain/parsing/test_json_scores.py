import json

import pytest

from daydreaming_dagster.domain.errors import ResponseParseError
from daydreaming_dagster.domain.parsing.registry import RESPONSE_FORMATS, find_parser
from daydreaming_dagster.domain.parsing.response import ParsedResponse, Score

read_json = find_parser("json_score")
ANSWER = '{"reasoning": "New.\\nBold.", "score": 6.5, "other": 1}'


@pytest.mark.parametrize(
    "wrapped",
    [
        "{}",
        "```json\n{}\n```",
        "```\n{}```",
        "<think>{{}}</think>\n{}",
        "I think {{}}\n</think>\n{}",
        " \n{}\n",
        "Here is my judgement of essay 3.\n\n```json\n{}\n```\n\nIt is the best of 5 essays.",
        "{0} {0}",
    ],
)
def test_a_judge_in_json_gives_score_and_reasoning(wrapped):
    parsed = read_json(wrapped.format(ANSWER))

    assert parsed == ParsedResponse("New.\nBold.\n\nSCORE: 6.5", Score(6.5, 9))
    assert find_parser("in_last_line")(parsed.text).score == parsed.score


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ('{"score": 7}', Score(7, 9)),
        ('{"score": "7"}', Score(7, 9)),
        ('{"score": "7/10"}', Score(7, 10)),
        ('{"score": "7 out of 10"}', Score(7, 10)),
        ('{"score": "70%"}', Score(70, 100)),
        ('{"score": 7, "max_score": 10}', Score(7, 10)),
        ('{"score": "7/10", "max_score": 10}', Score(7, 10)),
        ('{"overall_score": 7}', Score(7, 9)),
        ('{"score": 7, "overall_score": 7}', Score(7, 9)),
        ('{"originality": {"score": 3}, "score": 7}', Score(7, 9)),
        ('{"originality_score": 3, "final_score": 7, "max_score": null}', Score(7, 9)),
        ('{"criteria": {"style": 3}}\n{"score": 7}', Score(7, 9)),
    ],
)
def test_a_score_is_read_in_the_forms_that_structured_judges_send(answer, score):
    assert read_json(answer).score == score


def test_the_line_of_the_object_is_known():
    assert read_json('Fine.\n\n```json\n{"score": 7}\n```').line == 4


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("SCORE: 7", "no JSON object with a score"),
        ("", "no JSON object with a score"),
        ("[7]", "no JSON object with a score"),
        ('{"reasoning": "x"}', "no JSON object with a score"),
        ('{"results": [{"score": 7}]}', "no JSON object with a score"),
        ('{"score": 7, "reasoning": "cut o', "not one JSON object"),
        ("{'score': 7}", "not one JSON object"),
        ('{x: {"score": 7}}', "not one JSON object"),
        ('{"a":' * 100_000, "not one JSON object"),
        ('{"score": 7} {"score": 8}', "two scores: 8 in line 1, 7 in line 1"),
        ('{"score": 7}\n\nSCORE: 8', "two scores: 7 in line 1, 'SCORE: 8'"),
        ('{"score": 7}\n\nCorrection: 5', "two scores: 7 in line 1, 'Correction: 5'"),
        ('{"score": 7, "overall_score": 8}', "two scores, 7 and 8, in one object"),
        ('{"score": "7/9", "max_score": 10}', "two scores, 7/9 and 7/10, in one object"),
        ('{"score": 7, "max_score": 10, "maximum": 9}', "two ends of its scale: [9.0, 10.0]"),
        ('{"score": 7, "score": 8}', "duplicate key"),
        ('{"score": NaN}', "NaN is not a JSON value"),
        ('{"score": true}', "score is not a number, but True"),
        ('{"score": null}', "score is not a number, but None"),
        ('{"score": "seven"}', "score is not a number, but 'seven'"),
        ('{"score": "7-8"}', "score is not a number, but '7-8'"),
        ('{"score": ""}', "score is not a number, but ''"),
        ('{"score": "**"}', "score is not a number, but '**'"),
        ('{"score": [7]}', "score is not a number, but [7]"),
        ('{"score": 7, "max_score": "10"}', "max_score is not a number, but '10'"),
        ('{"score": 1e400}', "score is not a number, but inf"),
        ('{"score": ' + "9" * 400 + "}", "score is not a number"),
        ('{"score": -1}', "score -1 is outside 0 to 9"),
        ('{"score": 10}', "score 10 is outside 0 to 9"),
    ],
)
def test_a_judge_whose_json_is_something_else_is_refused(answer, reason):
    with pytest.raises(ResponseParseError) as caught:
        read_json(answer)

    assert reason in str(caught.value)


def test_an_answer_in_the_format_that_endpoints_are_asked_for_is_read():
    schema = RESPONSE_FORMATS["json_score"]["json_schema"]["schema"]
    answer = {"reasoning": "New.", "score": 3}

    assert list(schema["properties"]) == schema["required"] == list(answer)
    assert read_json(json.dumps(answer)).score == Score(3, 9)
