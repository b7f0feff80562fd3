"""`daydream parse`."""

import json
import sys
from io import BytesIO, TextIOWrapper

import pytest


@pytest.fixture
def answer(tmp_path):
    def write(text):
        path = tmp_path / "answer.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


@pytest.mark.parametrize(
    ("text", "options", "printed"),
    [
        ("Good.\n\nSCORE: 6", (), {"score": 6, "maximum": 9, "share": 6 / 9, "line": 3}),
        ("SCORE: 6", ("--maximum", "12"), {"score": 6, "maximum": 12, "share": 0.5, "line": 1}),
        ("SCORE: 6/10", (), {"score": 6, "maximum": 10, "share": 0.6, "line": 1}),
        (
            "SCORE: 2",
            ("--minimum", "1", "--maximum", "5"),
            {"score": 2, "maximum": 5, "share": 0.25, "line": 1},
        ),
    ],
)
def test_what_would_be_read_is_printed(daydream, answer, text, options, printed):
    result = daydream("parse", "--parser", "in_last_line", *options, answer(text))

    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == printed


def test_a_writers_text_is_printed(daydream, answer):
    file = answer("<think>plan</think>\n<essay>\nÄ tide.\n</essay>")

    result = daydream("parse", "--parser", "essay_block", file)

    assert json.loads(result.stdout) == {"score": None, "text": "Ä tide."}


def test_a_dash_is_standard_input(daydream, monkeypatch):
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(b'{"score": 3}')))

    result = daydream("parse", "--parser", "json_score", "-")

    assert json.loads(result.stdout)["score"] == 3


@pytest.mark.parametrize(
    ("text", "options", "reason"),
    [
        ("SCORE: 7-8", ("--parser", "in_last_line"), "'7-8' is not one number"),
        ("SCORE: 7", ("--parser", "tea"), "unknown parser 'tea'; known are essay_block, "),
        ("SCORE: 7", ("--parser", "in_last_line", "--maximum", "5"), "outside 0 to 5"),
        ("SCORE: 7", ("--parser", "in_last_line", "--minimum", "9"), "9 to 9 is not a scale"),
        ("SCORE: 7", ("--parser", "in_last_line", "--maximum", "nan"), "0 to nan is not a scale"),
        (b"SCORE: \xff", ("--parser", "in_last_line"), "is not UTF-8 (byte 7 is 0xff)"),
    ],
)
def test_what_is_refused_exits_with_2_and_the_reason(daydream, answer, text, options, reason):
    result = daydream("parse", *options, answer(text))

    assert (result.returncode, result.stdout) == (2, "")
    assert reason in " ".join(result.stderr.replace("│", " ").split())


def test_a_file_that_is_not_there_exits_with_2(daydream, tmp_path):
    result = daydream("parse", "--parser", "identity", str(tmp_path / "none.txt"))

    assert (result.returncode, result.stdout) == (2, "")
    assert "No such file" in result.stderr
