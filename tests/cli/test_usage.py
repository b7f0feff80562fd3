"""What the command line says of a command that is written wrongly."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from command import DAYDREAM, call_daydream
from daydreaming_dagster.cli.app import app


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pla", "c1"), "No such command 'pla'. Did you mean 'plan'?"),
        (("analyse", "ranks"), "No such command 'ranks'."),
        (("run", "c1", "--cheap"), "No such option '--cheap'"),
        (("run",), "Missing argument 'COHORT'."),
        (("results",), "Missing argument 'COHORT...'."),
        (("rejudge", __file__, "c2", "--llm", "m"), "Missing option '--template'."),
        (("run", "c1", "--max-calls"), "Option '--max-calls' requires an argument."),
        (("run", "c1", "--max-calls", "-1"), "'--max-calls': -1 is not in the range x>=0."),
        (("run", "c1", "-j", "two"), "'--concurrency' / '-j': 'two' is not a valid integer."),
        (("run", "c1", "--max-calls", "1.0"), "'--max-calls': '1.0' is not a valid integer."),
        (("run", "c1", "--max-cost", "all"), "'--max-cost': 'all' is not a valid number."),
        (("run", "c1", "--max-cost", "nan"), "'--max-cost': 'nan' is not a number"),
        (("tail", "c1", "--interval", "0"), "'--interval': 0.0 is not in the range x>=0.1."),
        (("export", "c1", "--format", "pdf"), "'--format': 'pdf' is not one of 'csv', 'parquet'"),
        (("export", "c1", "-o", "s3://b/x"), "'--output' / '-o': a URL cannot be written to here"),
        (("bundle", "c1", "-o", "."), "'--output' / '-o': File '.' is a directory."),
        (("archive", "c1", "-o", "."), "'--output' / '-o': File '.' is a directory."),
        (("report", "c1", "-o", "."), "'--output' / '-o': File '.' is a directory."),
        (("verify", "none.zip"), "'FILE': File 'none.zip' does not exist."),
        (("judges", "c1", "--equate", "old"), "Option '--equate' requires 2 arguments."),
    ],
)
def test_it_says_what_is_wrong_and_exits_with_2(arguments, said):
    result = call_daydream(arguments, {})

    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr


@pytest.mark.parametrize("arguments", [(), ("analyse",)])
def test_without_arguments_it_shows_what_there_is(arguments):
    result = call_daydream(arguments, {})

    assert result.returncode == 2
    assert "Commands:" in result.stderr


def test_its_name_for_the_data_root_is_shown_with_the_default_and_read():
    shown = CliRunner().invoke(app, ["plan", "--help"], terminal_width=200).stdout
    result = call_daydream(("plan", "c1"), {"DAYDREAM_DATA_ROOT": "elsewhere"})

    assert "[env var: DAYDREAM_DATA_ROOT; default: data]" in " ".join(shown.split())
    assert "elsewhere" in result.stderr


def test_a_character_that_the_terminal_lacks_is_a_question_mark():
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    shown = subprocess.run(
        [*DAYDREAM, "dream", "--help"], env=environment, capture_output=True, check=False
    )

    assert (shown.returncode, shown.stderr) == (0, b"")
    assert b"LOOP-0002, ?." in shown.stdout


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_json_says_the_same_in_every_encoding(encoding):
    text = "Grüße \N{CHECK MARK}"
    shown = subprocess.run(
        [*DAYDREAM, "parse", "-", "--parser", "identity"],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        input=text.encode(),
        capture_output=True,
        check=True,
    )

    assert json.loads(shown.stdout.decode(encoding))["text"] == text


@pytest.mark.parametrize(
    ("closed", "arguments", "code", "said"),
    [
        (0, ("parse", "-", "--parser", "in_last_line"), 2, b"error: "),
        (1, ("--version",), 0, b""),
        (2, ("status", "c1"), 2, b""),
    ],
)
def test_a_closed_standard_stream_is_an_empty_one(tmp_path, closed, arguments, code, said):
    ended = subprocess.run(
        [*DAYDREAM, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        check=False,
        preexec_fn=lambda: os.close(closed),
    )

    assert ended.returncode == code, ended.stderr
    assert ended.stderr.startswith(said)
    assert b"Traceback" not in ended.stderr
