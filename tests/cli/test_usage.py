"""What the command line says of a command that is written wrongly."""

import pytest
from click.testing import CliRunner

from command import call_daydream
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
        (("run", "c1", "-j", "two"), "'--concurrency' / '-j': 'two' is not a valid integer"),
        (("run", "c1", "--max-cost", "nan"), "'--max-cost': 'nan' is not a number"),
        (("tail", "c1", "--interval", "0"), "'--interval': 0.0 is not in the range x>=0.1."),
        (("export", "c1", "--format", "pdf"), "'--format': 'pdf' is not one of 'csv', 'parquet'"),
        (("export", "c1", "-o", "s3://b/x"), "'--output' / '-o': a URL cannot be written to here"),
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
