"""Data roots in a Dagster project of one's own, added by the real `dg`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from calls import PATIENCE

DG = Path(sys.executable).with_name("dg")
COMPONENT = "daydreaming_dagster.components.DataRootComponent"
FILES = {
    "pyproject.toml": """
[project]
name = "mine"
version = "0.1.0"

[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "mine"
""",
    "mine/__init__.py": "",
    "mine/defs/__init__.py": "",
    "mine/definitions.py": """
from pathlib import Path
import dagster as dg

@dg.definitions
def defs():
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
""",
}


@pytest.fixture
def dg(tmp_path):
    for name, text in FILES.items():
        file = tmp_path / "project" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")

    def call(*arguments):
        return subprocess.run(
            [DG, *arguments],
            cwd=tmp_path / "project",
            env={**os.environ, "DAGSTER_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    return call


def test_two_data_roots_are_added_to_a_project(dg, data_root, tmp_path):
    for arguments in (["new-lab"], ["other", "--data-root", str(data_root)]):
        added = dg("scaffold", "defs", COMPONENT, *arguments)
        assert added.returncode == 0, added.stderr
    project = tmp_path / "project"
    written = yaml.safe_load((project / "mine/defs/new-lab/defs.yaml").read_text("utf-8"))
    assert written["attributes"] == {"data_root": "new-lab", "key_prefix": "new_lab"}
    assert (project / "new-lab/1_raw").is_dir()

    listed = dg("list", "defs", "--json")

    assert listed.returncode == 0, listed.stderr
    found = json.loads(listed.stdout)
    keys = {asset["asset_key"] for asset in found["assets"]}
    assert {"new_lab/cohort_run", "other/cohort_run"} <= keys
    schedules = {schedule["name"] for schedule in found["schedules"]}
    assert {"new_lab__completing", "other__dreaming"} <= schedules


def test_a_folder_with_something_else_is_refused(dg, tmp_path):
    (tmp_path / "project/lab").mkdir()
    (tmp_path / "project/lab/thesis.txt").write_text("mine", "utf-8")

    refused = dg("scaffold", "defs", COMPONENT, "lab")

    assert refused.returncode != 0
    assert "holds something else" in refused.stderr
    assert sorted(path.name for path in (tmp_path / "project/lab").iterdir()) == ["thesis.txt"]
