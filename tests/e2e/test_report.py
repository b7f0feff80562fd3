"""`daydream report` as a researcher types it."""

import sys

import pytest

from adapters.cohort_store.filesystem import FilesystemCohortStore
from adapters.gens_store.filesystem import UnsyncedFilesystemGensStore
from adapters.language_model.scripted import ScriptedLanguageModel
from builders import generate, judge_or_echo
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.domain.generation.runner import GenerationRunner


@pytest.fixture
def done(daydream, data_root):
    """The cohort c1, planned and generated."""
    daydream("plan", "c1")
    store = UnsyncedFilesystemGensStore(data_root)
    members = FilesystemCohortStore(store.paths).read_membership("c1")
    runner = GenerationRunner(
        store,
        ScriptedLanguageModel(judge_or_echo),
        FilesystemCohortStore(store.paths).read_catalog(),
    )
    generate(runner, members)


def test_the_report_is_one_file_whose_path_is_printed(daydream, data_root, done):
    result = daydream("report", "c1")

    file = Paths(data_root).cohort_report_html("c1")
    assert (result.returncode, result.stdout) == (0, f"{file}\n")
    html = file.read_text("utf-8")
    assert html.startswith("<!doctype html>")
    assert str(data_root) not in html  # it may be handed on


def test_report_and_figures_go_where_they_are_asked_for(daydream, data_root, done, tmp_path):
    file, figures = tmp_path / "new/r.html", tmp_path / "figures"

    result = daydream("report", "c1", "-o", str(file), "--figures", str(figures))

    assert result.returncode == 0, result.stderr
    written = sorted(path.name for path in figures.iterdir())
    assert [str(file), *(str(figures / name) for name in written)] == sorted(
        result.stdout.splitlines(), key=lambda line: (line != str(file), line)
    )
    # Without prices there is no cost, and a single judge agrees with itself alone.
    assert {name.split(".")[0] for name in written} == {
        "ranking",
        "template-model",
        "judge-means",
        "scores-by-judge",
        "latency",
    }
    assert not Paths(data_root).cohort_report_html("c1").exists()


def test_a_cohort_that_was_only_planned_has_a_report(daydream, data_root):
    daydream("plan", "c1")

    assert daydream("report", "c1").returncode == 0
    assert "No essay has a score yet." in Paths(data_root).cohort_report_html("c1").read_text()


def test_what_cannot_be_written_is_one_clear_line(daydream, tmp_path):
    daydream("plan", "c1")
    (tmp_path / "file").touch()

    result = daydream("report", "c1", "-o", str(tmp_path / "file/r.html"))

    assert result.returncode == 2
    assert f"error: cannot read or write {tmp_path / 'file'}" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_cohort_that_is_not_planned_has_none(daydream):
    result = daydream("report", "c1")

    assert result.returncode == 2
    assert "cohort 'c1' is not planned yet" in result.stderr
    assert result.stderr.strip().endswith("; run: daydream plan c1")


@pytest.mark.parametrize("package", ["altair", "vl_convert", "markdown_it"])
def test_without_the_extra_the_command_says_how_to_install_it(daydream, daydream_process, package):
    daydream("plan", "c1")
    without = f"import sys; sys.modules[{package!r}] = None"
    program = f"{without}; from daydreaming_dagster.cli.app import main; main()"

    result = daydream_process("report", "c1", command=[sys.executable, "-c", program])

    assert result.returncode == 2
    assert (
        f"error: a report needs the package '{package}'; "
        f'install what it needs with: pip install "daydreaming-dagster[report]"'
    ) in result.stderr
    assert "Traceback" not in result.stderr
