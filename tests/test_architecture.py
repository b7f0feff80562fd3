"""The rules of dependency hold, and breaking one is noticed."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMES = "Paths, GensDataLayer, GensStore, GenerationMetadata, resolve_generation_metadata"


def lint_imports(folder):
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path):
    for name in ("daydreaming_dagster", "adapters"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_rules_hold(copy):
    result = lint_imports(copy)

    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("daydreaming_dagster/domain/generation/prompt_values.py", "import os"),
        ("daydreaming_dagster/domain/cohort/planning.py", "from pathlib import Path"),
        ("daydreaming_dagster/domain/generation/runner.py", "import dagster"),
        (
            "daydreaming_dagster/domain/generation/answers.py",
            "from adapters import InMemoryGensStore",
        ),
        ("daydreaming_dagster/domain/generation/answers.py", "import aiohttp"),
        (
            "daydreaming_dagster/domain/results/ranking.py",
            "from daydreaming_dagster.data_layer.gens_data_layer import GensDataLayer",
        ),
        ("daydreaming_dagster/domain/generation/metadata.py", "import os"),
        ("daydreaming_dagster/ports/gens_store.py", "import adapters"),
        ("daydreaming_dagster/testing/gens_store_contract.py", "import adapters"),
        ("daydreaming_dagster/data_layer/paths.py", "import dagster"),
        ("adapters/gens_store/filesystem.py", "import dagster"),
        ("adapters/gens_store/in_memory.py", "import daydreaming_dagster.cli.app"),
        ("adapters/cohort_store/in_memory.py", "import daydreaming_dagster.application.run_cohort"),
        ("daydreaming_dagster/application/run_cohort.py", "import adapters"),
        ("daydreaming_dagster/application/run_cohort.py", "import dagster"),
        ("daydreaming_dagster/application/plan_cohort.py", "from pathlib import Path"),
        ("daydreaming_dagster/domain/cohort/planning.py", "import daydreaming_dagster.application"),
        ("daydreaming_dagster/ports/gens_store.py", "import daydreaming_dagster.domain.catalog"),
        ("daydreaming_dagster/cli/progress.py", "import adapters.gens_store.filesystem"),
        ("daydreaming_dagster/cli/export.py", "import adapters.atomic_write"),
        ("daydreaming_dagster/defs/cohorts.py", "import adapters.cohort_store.filesystem"),
        ("daydreaming_dagster/defs/cohorts.py", "import daydreaming_dagster.cli.console"),
    ],
)
def test_breaking_a_rule_is_noticed(copy, module, line):
    path = copy / module
    path.write_text(f"{path.read_text()}\n{line}\n")

    result = lint_imports(copy)

    assert result.returncode == 1
    assert "BROKEN" in result.stdout


def test_the_domain_opens_no_file():
    """The builtin needs no import, so import-linter cannot see it."""
    for path in (ROOT / "daydreaming_dagster/domain").rglob("*.py"):
        calls = [
            node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
        ]
        opened = [
            call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "open"
        ]
        assert not opened, path


def loaded_by(statement):
    code = f"{statement}\nimport sys\nprint(*sorted(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return {name.partition(".")[0] for name in result.stdout.split()}


def test_the_data_layer_is_light_to_import():
    loaded = loaded_by("import daydreaming_dagster.data_layer")

    assert not loaded & {"dagster", "pandas", "polars", "aiohttp", "jinja2", "yaml", "adapters"}


def test_the_store_on_disk_needs_no_dagster():
    loaded = loaded_by("from daydreaming_dagster.data_layer import GensDataLayer")

    assert not loaded & {"dagster", "pandas", "polars", "aiohttp", "jinja2"}


@pytest.mark.parametrize(
    "statement",
    [
        f"from daydreaming_dagster.data_layer import {NAMES}",
        f"from daydreaming_dagster.data_layer.gens_data_layer import {NAMES}",
        "from daydreaming_dagster.types import Stage",
        "import adapters",
        "import daydreaming_dagster.data_layer.paths",
        "import daydreaming_dagster.domain.cohort.planning",
        "import daydreaming_dagster.definitions",
        "import daydreaming_dagster.testing",
    ],
)
def test_every_part_can_be_imported_first(statement):
    loaded_by(statement)
