"""What is read in the answer of a judge that compares two texts."""

import pytest

from daydreaming_dagster.domain.errors import ResponseParseError
from daydreaming_dagster.domain.parsing.registry import find_parser

read = find_parser("pair_verdict")


@pytest.mark.parametrize(
    ("answer", "choice"),
    [
        ("The first is clearer.\n\nWINNER: first", "first"),
        ("WINNER: second", "second"),
        ("Winner: tie.", "tie"),
        ("**WINNER: A**", "first"),
        ("Winner: **B**", "second"),
        ("Verdict: 2", "second"),
        ("Final verdict: the second text", "second"),
        ("The winner is: text A", "first"),
        ("Both are good.\nMy verdict follows.\n[[A]]", "first"),
        ("My verdict: [[B]]", "second"),
        ("[[C]]", "tie"),
        ("<think>WINNER: second? No.</think>\nWINNER: first", "first"),
        ("[[B]]\nWINNER: second", "second"),
        ("Both end alike.\n```\nWINNER: first\n```\nWINNER: second", "second"),
        ("PREFERENCE: draw", "tie"),
    ],
)
def test_the_verdict_is_read(answer, choice):
    assert read(answer).text == choice


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "no line such as WINNER: first"),
        ("I cannot decide.", "no line such as"),
        ("The winner is not clear: first or second", "no line such as"),
        ("WINNER: first or second", "no line such as"),
        ("WINNER: third", "no line such as"),
        ("WINNER: first\nOn reflection:\nWINNER: second", "'WINNER: first' and 'WINNER: second'"),
        ("[[A]] if the first is better, [[B]] if the second is", "two verdicts in one line"),
        ("[[A]]\n[[C]]", "two verdicts: '[[A]]' and '[[C]]'"),
    ],
)
def test_what_is_no_verdict_or_two_is_refused(answer, reason):
    with pytest.raises(ResponseParseError) as caught:
        read(answer)
    assert reason in caught.value.reason
