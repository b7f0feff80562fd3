"""Type checkers accept what users of the public interface write, and refuse their mistakes."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYRIGHT = {
    "extraPaths": [str(ROOT)],
    "typeCheckingMode": "strict",
    "reportUnnecessaryTypeIgnoreComment": "error",
}


@pytest.fixture
def programs(tmp_path):
    """The programs beside this file and those of an author of an adapter, in an own folder."""
    page = (ROOT / "docs/how-to/adapter.md").read_text("utf-8")
    block = re.compile(r'^```python title=".*?(\w+\.py)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
    texts = {
        "library.py": Path(__file__).with_name("library.py").read_text("utf-8"),
        **dict(block.findall(page)),
    }
    assert texts.keys() == {"library.py", "sqlite_gens_store.py", "test_sqlite_gens_store.py"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, "utf-8")
    return [tmp_path / name for name in texts]


def checked(*command):
    command = (Path(sys.executable).with_name(command[0]), *command[1:])
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_mypy_accepts_what_users_write(programs):
    result = checked("mypy", *programs)

    assert result.stdout == f"Success: no issues found in {len(programs)} source files\n"


def test_pyright_accepts_what_users_write(programs, tmp_path):
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(PYRIGHT))

    result = checked("pyright", "--outputjson", "-p", tmp_path, "--pythonpath", sys.executable)

    report = json.loads(result.stdout)
    assert report["generalDiagnostics"] == []
    assert report["summary"]["filesAnalyzed"] == len(programs)
