"""What each command shows in a terminal of 80 and of 120 columns, as files to look at.

To renew the files after a change: RENEW_SNAPSHOTS=1 python -m pytest tests/cli/test_snapshots.py
"""

import hashlib
import os
import pty
import re
import subprocess
import sys
import termios
from itertools import pairwise
from pathlib import Path

import pytest

from adapters.cohort_store.filesystem import FilesystemCohortStore
from adapters.gens_store.filesystem import UnsyncedFilesystemGensStore
from adapters.language_model.scripted import ScriptedLanguageModel
from builders import generate, judge_or_echo, write_data_root
from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.cli.app import commands
from daydreaming_dagster.domain.generation.runner import GenerationRunner

SNAPSHOTS = Path(__file__).parent / "snapshots"
WIDTHS = (80, 120)
HELP = {f"help-{name}": f"{name} --help" for name in commands()}
SHOWN = {
    "init": "init lab",
    "init-twice": "init lab",
    "plan-dry-run": "plan new --dry-run",
    "plan": "plan new",
    "plan-unknown": "plan none",
    "status": "status",
    "status-cohort": "status c1",
    "results": "results c1",
    "check": "check",
    "run": "run c1",
    "tail": "tail c1",
    "judges": "judges c1",
    "compare": "compare c1 new",
    "delete": "delete c1",
    "show-unknown": "show essay e_none",
}
HELP_ALONE = {
    # They ask a model, or need what another command or program made.
    *("demo", "dream", "parse", "settle", "verify", "restore", "rejudge", "import-scores"),
    *("import", "analyse"),
    # They name a file, and what is in it is tested elsewhere.
    *("report", "rate", "bundle", "archive", "export", "copy"),
    # They change the data root that the others show.
    *("prune", "rename-concept"),
}
"""Commands of which only the help is looked at."""
CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def answer(request):
    """Scores that differ, so that no number that is shown is one of rounding."""
    if not request.prompt.startswith("Judge"):
        return judge_or_echo(request)
    digest = hashlib.sha256(request.prompt.encode()).digest()
    return f"SCORE: {digest[0] % 10}"


def without_earlier_frames(shown):
    """Return what a terminal shows at last: a progress bar goes up and writes over itself."""
    lines = [""]
    for part in re.split(r"(\x1b\[1A|\r?\n)", shown):
        if part == "\x1b[1A":
            lines[-2:] = [""]
        elif part.endswith("\n"):
            lines.append("")
        else:
            lines[-1] += part
    return re.sub(r"\d:\d\d:\d\d", "0:00:00", "\r\n".join(lines))


def in_terminal(columns, lines, folder):
    """Return what each command shows in one terminal of this width."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (50, columns))
    environment = {key: value for key, value in os.environ.items() if key != "COLUMNS"}
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("in_terminal.py")), *lines],
        env={**environment, "TERM": "xterm", "DAYDREAM_DATA_ROOT": "data", "PAGER": "cat"},
        cwd=folder,
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    shown = bytearray()
    try:
        while data := os.read(master, 65_536):
            shown.extend(data)
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(master)
        process.wait()
    text = (
        CODES.sub("", without_earlier_frames(shown.decode()))
        .replace("\r\n", "\n")
        .replace(str(folder), "/home/ann")
    )
    text = re.sub(r"[^\n]*\r", "", text)  # what is written over
    parts = [part.split("\n", 1) for part in text.split("\x00")[1:]]
    assert [line for line, _ in parts] == [*lines], text
    return ["\n".join(line.rstrip() for line in part.split("\n")) for _, part in parts]


@pytest.fixture(scope="module", params=WIDTHS)
def shown(request, tmp_path_factory):
    """What all commands show, by the names of their files, and the width."""
    folder = tmp_path_factory.mktemp("home")
    store = UnsyncedFilesystemGensStore(write_data_root(folder / "data"))
    cohorts = FilesystemCohortStore(store.paths)
    spec = folder / "data/cohorts/c1/spec/config.yaml"
    # The answer to a question that is asked twice would be the same.
    spec.write_text(spec.read_text().replace("replicates: {evaluation: 2}", ""), "utf-8")
    plan_cohort(store, cohorts, "c1")
    runner = GenerationRunner(store, ScriptedLanguageModel(answer), cohorts.read_catalog())
    generate(runner, cohorts.read_membership("c1"))
    other = folder / "data/cohorts/new/spec/config.yaml"
    other.parent.mkdir(parents=True)
    other.write_text(spec.read_text().replace("k: 2", "k: 3"), "utf-8")
    names = {"help": "--help", **HELP, **SHOWN}
    texts = in_terminal(request.param, [*names.values()], folder)
    return request.param, dict(zip(names, texts, strict=True))


def test_every_command_is_shown_or_named_as_one_that_is_not():
    assert {line.split()[0] for line in SHOWN.values()} == set(commands()) - HELP_ALONE
    assert set(commands()) >= HELP_ALONE


def test_every_command_looks_as_it_did(shown):
    columns, texts = shown
    folder = SNAPSHOTS / str(columns)
    if os.environ.get("RENEW_SNAPSHOTS"):
        folder.mkdir(parents=True, exist_ok=True)
        for file in folder.iterdir():
            file.unlink()
        for name, text in texts.items():
            (folder / f"{name}.txt").write_text(text, "utf-8")
    files = {file.stem: file.read_text("utf-8") for file in folder.iterdir()}

    assert texts == files, __doc__


def test_no_table_and_no_help_is_wider_than_the_terminal(shown):
    columns, texts = shown
    for name, text in texts.items():
        for line in text.splitlines():
            if line and (name.startswith("help") or line[0] in "│┃┏└┡├"):
                assert len(line) <= columns, (name, line)
                assert line[0] not in "│┃" or line[-1] in "│┃", (name, line)


def test_help_breaks_lines_only_where_the_terminal_ends(shown):
    columns, texts = shown
    for name, text in texts.items():
        found = re.search(r"^Usage:.*?\n\n(.*?)(?=^\S|\Z)", text, re.DOTALL | re.MULTILINE)
        prose = found[1] if found and name.startswith("help") else ""
        for paragraph in prose.strip().split("\n\n"):
            lines = [line.strip() for line in paragraph.strip().splitlines()]
            for line, following in pairwise(lines):
                # The next word would not have fit, and four columns are margins.
                assert len(line) + 1 + len(following.split()[0]) > columns - 4, (name, line)
