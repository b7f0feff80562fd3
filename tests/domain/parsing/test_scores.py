import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daydreaming_dagster.domain.errors import ResponseParseError
from daydreaming_dagster.domain.parsing.registry import find_parser
from daydreaming_dagster.domain.parsing.response import ResponseReader, Score
from daydreaming_dagster.domain.parsing.scores import parse_score_line

FIXTURES = Path(__file__).parents[2] / "fixtures"
ANSWERS = [
    json.loads(line) for line in (FIXTURES / "judge_answers.jsonl").read_text("utf-8").splitlines()
]
read_score = find_parser("in_last_line")


def answers(*, readable):
    return [
        pytest.param(
            answer["answer"], answer["maximum"], answer["share"], id=f"{i}-{answer['kind']}"
        )
        for i, answer in enumerate(ANSWERS)
        if (answer["share"] is not None) is readable
    ]


def judge(maximum):
    parse = parse_score_line
    return ResponseReader("in_last_line", parse, needs_score=True, score_maximum=maximum)


@pytest.mark.parametrize(("answer", "maximum", "share"), answers(readable=True))
def test_a_clear_verdict_is_read_as_a_person_reads_it(answer, maximum, share):
    assert judge(maximum)(answer).score.normalised == pytest.approx(share, abs=1e-6)


@pytest.mark.parametrize(("answer", "maximum", "share"), answers(readable=False))
def test_what_a_person_could_take_in_two_ways_is_refused(answer, maximum, share):
    with pytest.raises(ResponseParseError):
        judge(maximum)(answer)


@pytest.mark.parametrize(
    ("answer", "text", "line"),
    [
        ("SCORE: 7", "7", 1),
        ("Fine.\n\nSCORE: 6.5\n\n", "6.5", 3),
        ("<think>\na\nb\n</think>\nSCORE: **7**/10", "7/10", 5),
        ("<think>a</think>SCORE: 7", "7", 1),
        ("a\r\nb</think>\r\nSCORE: 7", "7", 3),
        ("### Final Score\n\n**2/10**\n- **Core**: 2/5", "2/10", 3),
        ("- Score: 1/2\n- Score: 0/2\n- **Total Score**: 1/4", "1/4", 3),
        ("SCORE: 4/10\n- Score: 1/2\n1. Score: 2/2", "4/10", 1),
        ("Good.\n<score>\n8\n</score>", "8", 3),
        ("It reads well and says little. SCORE: 4", "4", 1),
        ("SCORE: 5%", "5/100", 1),
        ("SCORE: 7\n> SCORE: 9", "7", 1),
    ],
)
def test_the_text_is_the_score_and_the_line_is_where_it_stands(answer, text, line):
    parsed = read_score(answer)

    assert (parsed.text, parsed.line) == (text, line)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "no line gives a score"),
        ("I like it.", "no line gives a score"),
        ("My grade: 7", "no line gives a score, such as 'SCORE: 7': line 1, 'My grade: 7'"),
        ("SCORE: X", "line 1, 'SCORE: X': 'X' is not one number"),
        ("SCORE:", "line 1, 'SCORE:': no number after it"),
        ("SCORE: 7 - 8", "'7 - 8' is not one number (another number after it)"),
        ("SCORE: 10", "score 10 is outside 0 to 9"),
        ("SCORE: 11/10", "score 11/10 is outside 0 to 10"),
        ("Score (A-F): 5", "the scale 'A-F' is not known"),
        ("Overall: 3\n\nTotal: 5", "two scores: line 3, 'Total: 5', and line 1, 'Overall: 3'"),
        (
            "SCORE: 7\nNo.\nCorrection: 5",
            "two scores: line 1, 'SCORE: 7', and line 3, 'Correction: 5'",
        ),
        ("Write\nSCORE: 7", "line 2, 'SCORE: 7': it is part of a sentence around it"),
        ("I can't rate this essay. Fine.\n\nSCORE: 7", 'the judge says "can\'t rate this essay"'),
        ("<think>the final score is 7", "the answer is all reasoning: its 'think' is not closed"),
        ("<reasoning>SCORE: 3</reasoning>\nSCORE: 8", "line 2, 'SCORE: 8', and line 1, 'SCORE: 3'"),
    ],
)
def test_a_refusal_says_what_stands_where(answer, reason):
    with pytest.raises(ResponseParseError) as caught:
        read_score(answer)

    assert reason in str(caught.value)
    assert str(caught.value).endswith(repr(answer[-200:]))


@given(value=st.integers(0, 10**6 - 1), maximum=st.integers(1, 10**6 - 1), text=st.text())
def test_a_paragraph_of_its_own_is_read_below_any_prose(value, maximum, text):
    before = text.translate(dict.fromkeys(map(ord, "<`~[|"))) + "."

    found = parse_score_line(f"{before}\n\nSCORE: {value}/{maximum}").score

    assert found == Score(value, maximum)
