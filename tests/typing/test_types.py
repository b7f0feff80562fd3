"""Type checkers accept what users of the public interface write, and refuse their mistakes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = [path for path in sorted(Path(__file__).parent.glob("*.py")) if path.stem[:5] != "test_"]
PYRIGHT = {
    "extraPaths": [str(ROOT)],
    "typeCheckingMode": "strict",
    "reportUnnecessaryTypeIgnoreComment": "error",
}


@pytest.fixture
def folder(tmp_path):
    """The folder of a user's project."""
    for program in PROGRAMS:
        shutil.copy(program, tmp_path)
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(PYRIGHT))
    return tmp_path


def checked(*command):
    command = (Path(sys.executable).with_name(command[0]), *command[1:])
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_mypy_accepts_what_users_write(folder):
    result = checked("mypy", *(folder / program.name for program in PROGRAMS))

    assert result.returncode == 0, result.stdout + result.stderr


def test_pyright_accepts_what_users_write(folder):
    result = checked("pyright", "--outputjson", "-p", folder, "--pythonpath", sys.executable)

    report = json.loads(result.stdout)
    assert report["generalDiagnostics"] == []
    assert report["summary"]["filesAnalyzed"] == len(PROGRAMS)
