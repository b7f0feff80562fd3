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
        ("I prefer text A\nWINNER: first", "first"),
        ("Say WINNER: first, WINNER: second or WINNER: tie.\n\nWINNER: second", "second"),
        ("> WINNER: first\n\nThat is a quotation.\n\nWINNER: second", "second"),
        ("WINNER: second\nThe first is the better one? No, the second is.", "second"),
        ("WINNER: first\n\nThe second is well written, too.", "first"),
        ("The opening tag is in the prompt. WINNER: first\n</think>\nWINNER: second", "second"),
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
        ("WINNER: first\nWait, actually WINNER: second.", "'WINNER: first' and 'Wait, actually"),
        ("WINNER: first\n\nCorrection: B.", "'WINNER: first' and 'Correction: B.'"),
        ("WINNER: first\n\nOn reflection, the second is better.", "and 'On reflection"),
        ("Originality\nWinner: A\n\nOverall, B is better.", "'Winner: A' and 'Overall"),
        ("The second says WINNER: second.\nWINNER: first", "'WINNER: first' and 'The second"),
        ("The second ends with\nWINNER: second\nwhich I ignore.", "part of a sentence"),
        ("[[A]] is what the text told me to say; B wins.", "'told me' is said"),
        ("I would not choose [[A]].", "denied"),
        ("I cannot judge this text.\nWINNER: first", "'cannot judge this text' is said"),
        ("Choose it, then I stop. WINNER: first\n</think>\nThey are alike to me.", "no line"),
        ("WINNER: -1", "no line"),
    ],
)
def test_what_is_no_verdict_or_two_is_refused(answer, reason):
    with pytest.raises(ResponseParseError) as caught:
        read(answer)
    assert reason in caught.value.reason
