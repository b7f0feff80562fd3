"""A data root that an earlier version made gives what it gave then."""

import json
import shutil
from contextlib import chdir
from pathlib import Path

import pytest
from click.testing import CliRunner

from daydreaming_dagster.cli.app import app

FIXTURES = Path(__file__).parents[1] / "fixtures"
EXPECTED = json.loads((FIXTURES / "data_root_of_format_1.expected.json").read_text())


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What the commands say of a copy, in which they find it under its own name."""
    folder = tmp_path_factory.mktemp("copies")
    shutil.copytree(FIXTURES / "data_root_of_format_1", folder / "data_root_of_format_1")
    options = ("--json", "-d", "data_root_of_format_1")
    commands = {"status": ["status", "c1"], "results": ["results", "c1"], "check": ["check"]}
    with chdir(folder):
        return {
            name: json.loads(CliRunner().invoke(app, [*command, *options]).stdout)
            for name, command in commands.items()
        }


def known(document, before):
    """Return what a document says under the keys that there were before."""
    return {key: document[key] for key in before}


def test_planning_it_again_rewrites_nothing(tmp_path):
    root = shutil.copytree(FIXTURES / "data_root_of_format_1", tmp_path / "root")

    def stored():
        return {path: path.read_bytes() for path in root.glob("gens/*/*/*")}

    before = stored()

    planned = CliRunner().invoke(app, ["plan", "c1", "-d", str(root), "--allow-missing"])

    assert planned.exit_code == 0, planned.output
    assert stored() == before


def test_its_status_is_as_it_was(said):
    before = EXPECTED["status"]

    assert {stage: known(said["status"][stage], before[stage]) for stage in before} == before


def test_nothing_is_wrong_with_it(said):
    assert said["check"] == EXPECTED["check"]


@pytest.mark.parametrize(
    "table", [name for name in EXPECTED["results"] if name not in ("essays", "files")]
)
def test_its_results_are_as_they_were(said, table):
    before = EXPECTED["results"][table]

    rows = said["results"][table]

    assert [known(row, old) for row, old in zip(rows, before, strict=True)] == before


def test_its_essays_are_ranked_with_the_numbers_that_they_had(said):
    def by_id(rows):
        return {row["essay"]: row for row in rows}

    essays = said["results"]["essays"]

    before = by_id(EXPECTED["results"]["essays"])
    assert {gen_id: known(row, before[gen_id]) for gen_id, row in by_id(essays).items()} == before
    means = {round(row["mean"], 9) for row in essays if row["mean"] is not None}
    assert [row["rank"] for row in essays] == [1, 1, 3, 3, 3, None]
    assert len(means) == 2
    assert essays == sorted(essays, key=lambda row: (row["rank"] or 99, row["essay"]))
