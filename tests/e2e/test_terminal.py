"""What a person sees in a real terminal while a run goes on."""

import os
import pty
import re
import subprocess
import sys
import termios
import threading

import pytest

from calls import PATIENCE
from daydreaming_dagster.cli.grouping import grouped
from daydreaming_dagster.domain.stages import GenerationRef

COLUMNS = 80


@pytest.fixture
def environment(chat_endpoint, tmp_path):
    return {
        **os.environ,
        "OPENAI_BASE_URL": chat_endpoint.base_url,
        "OPENAI_API_KEY": "none",
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "TERM": "xterm",
        "COLUMNS": str(COLUMNS),
    }


def in_terminal(arguments, environment, seen):
    """Run the command in a terminal; call `seen` with the bytes as they come."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, COLUMNS))
    process = subprocess.Popen(
        [sys.executable, "-m", "daydreaming_dagster", *arguments],
        env=environment,
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    try:
        while data := os.read(master, 65_536):
            seen(data)
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(master)
        code = process.wait()
    return code


def test_the_bars_move_while_a_run_goes_on(environment, data_root, chat_endpoint):
    subprocess.run(
        [sys.executable, "-m", "daydreaming_dagster", "plan", "c1", "-d", str(data_root)],
        check=True,
        capture_output=True,
    )
    answer, released = chat_endpoint.answer, threading.Event()

    def held(prompt):
        # The last stage waits until what was done before it was seen in the terminal.
        if prompt.startswith("Judge"):
            released.wait(PATIENCE)
        return answer(prompt)

    chat_endpoint.answer = held
    shown = bytearray()

    def seen(data):
        shown.extend(data)
        if re.search(rb"essay .*6/6", shown):
            released.set()

    code = in_terminal(["run", "c1", "-d", str(data_root)], environment, seen)

    assert released.is_set(), shown.decode()
    assert code == 0
    plain = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", bytes(shown)).decode()
    bars = [line for line in re.split(r"[\r\n]+", plain) if "/12" in line or "/21" in line]
    assert bars
    assert max(map(len, bars)) <= COLUMNS
    # The whole of the time that is left is shown, not its beginning.
    assert all(re.search(r"\d:\d\d:\d\d (?:\d|-):(?:\d\d|--):(?:\d\d|--)", bar) for bar in bars)
    assert "18 calls" in plain


def test_a_line_below_the_bars_says_what_is_waited_for(environment, data_root, chat_endpoint):
    subprocess.run(
        [sys.executable, "-m", "daydreaming_dagster", "plan", "c1", "-d", str(data_root)],
        check=True,
        capture_output=True,
    )
    answer, waits, shown = chat_endpoint.answer, threading.Event(), bytearray()

    def load(prompt):
        return answer(prompt) if waits.is_set() else (503, {"error": {"message": "loading"}})

    chat_endpoint.answer = load

    def seen(data):
        shown.extend(data)
        if re.search(rb"waiting for big-1 until \d\d:\d\d:\d\d: unavailable", shown):
            waits.set()

    code = in_terminal(["run", "c1", "-d", str(data_root)], environment, seen)

    assert waits.is_set(), shown.decode()
    assert code == 0
    assert b"waiting for" not in shown[shown.rfind(b"18 calls") :]


def test_what_an_endpoint_says_does_not_steer_the_terminal(environment, data_root, chat_endpoint):
    chat_endpoint.answer = lambda _prompt: (
        400,
        {"error": {"message": "no \x1b]52;c;ZXZpbA==\x07 [red]\u202egnp.exe"}},
    )
    subprocess.run(
        [sys.executable, "-m", "daydreaming_dagster", "plan", "c1", "-d", str(data_root)],
        check=True,
        capture_output=True,
    )
    shown = bytearray()

    in_terminal(["run", "c1", "-d", str(data_root)], environment, shown.extend)

    assert b"\x1b]52" not in shown
    assert "\u202e".encode() not in shown
    assert b"[red]" in shown


def test_the_same_error_of_many_is_one_line():
    refs = [GenerationRef("draft", f"d_{letter * 26}") for letter in "abcde"]
    messages = [(ref, f"{ref.gen_id} had no credit after {n} s") for n, ref in enumerate(refs)]

    (line,) = grouped(messages)

    named = ", ".join(ref.gen_id for ref in refs[:3])
    assert line == f"5 drafts: {refs[0].gen_id} had no credit after 0 s ({named} and 2 more)"


def test_errors_of_different_models_or_stages_are_lines_of_their_own():
    lines = [
        *grouped(
            [
                (GenerationRef("draft", "d_1"), "big-1 is tired"),
                (GenerationRef("draft", "d_2"), "big-2 is tired"),
                (GenerationRef("essay", "e_1"), "big-1 is tired"),
            ]
        )
    ]

    assert lines == [
        "draft/d_1: big-1 is tired",
        "draft/d_2: big-2 is tired",
        "essay/e_1: big-1 is tired",
    ]
