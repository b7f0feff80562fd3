"""What a user meets whose environment has AdapterHub's package `adapters` too."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import attrs
import pytest

ROOT = Path(__file__).parents[2]
IMPORT = "from daydreaming_dagster.data_layer import GensDataLayer; print(GensDataLayer.__name__)"


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ours")
    # Without isolation, so that nothing is downloaded.
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, ROOT], check=True)
    (wheel,) = folder.iterdir()
    return wheel


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """A wheel that puts the same file into site-packages as `adapters` 1.3 on PyPI does."""
    wheel = tmp_path_factory.mktemp("theirs") / "adapters-1.3.0-py3-none-any.whl"
    information = "adapters-1.3.0.dist-info"
    files = {
        "adapters/__init__.py": "import torch\n",
        f"{information}/METADATA": "Metadata-Version: 2.1\nName: adapters\nVersion: 1.3.0\n",
        f"{information}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{information}/top_level.txt": "adapters\n",
    }
    record = "".join(f"{name},,\n" for name in (*files, f"{information}/RECORD"))
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in {**files, f"{information}/RECORD": record}.items():
            archive.writestr(name, text)
    return wheel


@attrs.frozen
class Environment:
    bin: Path

    def pip(self, *arguments):
        # The pip of this environment, told to act on that one: it has none of its own.
        command = [sys.executable, "-m", "pip", "--quiet", "--python", self.bin / "python"]
        subprocess.run([*command, *arguments], check=True)

    def run(self, program, *arguments):
        return subprocess.run(
            [self.bin / program, *arguments],
            capture_output=True,
            text=True,
            cwd=self.bin,  # and not where `adapters` lies
            env={},
            check=False,
        )


@pytest.fixture
def environment(tmp_path):
    """A new environment, which finds our dependencies here."""
    venv.create(tmp_path / "venv", symlinks=True)
    scheme = {"base": str(tmp_path / "venv"), "platbase": str(tmp_path / "venv")}
    site = Path(sysconfig.get_path("purelib", "venv", scheme))
    # After its own, and without the .pth files there: one of them finds this checkout.
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return Environment(Path(sysconfig.get_path("scripts", "venv", scheme)))


def install(environment, *wheels):
    for wheel in wheels:
        environment.pip("install", "--no-deps", "--no-index", wheel)


def test_ours_works_where_it_was_installed_last(environment, ours, theirs):
    install(environment, theirs, ours)

    command = environment.run("daydream", "--version")
    library = environment.run("python", "-c", IMPORT)

    assert (command.stderr, command.returncode) == ("", 0)
    assert (library.stderr, library.stdout) == ("", "FilesystemGensStore\n")


def test_where_theirs_was_installed_last_a_sentence_says_so(environment, ours, theirs):
    install(environment, ours, theirs)

    command = environment.run("daydream", "--version")
    library = environment.run("python", "-c", IMPORT)
    dagster = environment.run("python", "-c", "import daydreaming_dagster.definitions")

    assert command.returncode == 2
    assert command.stdout == ""
    assert command.stderr.startswith("error: the package `adapters` is ")
    assert "adapters/__init__.py of adapters, not the one of daydreaming-dagster" in command.stderr
    assert "an environment of its own (`python -m venv`)" in command.stderr
    for result in (library, dagster):
        assert result.returncode == 1
        error = command.stderr.removeprefix("error: ")
        assert result.stderr.endswith(f"ForeignAdaptersError: {error}")


def test_where_theirs_was_removed_and_our_file_with_it_a_sentence_says_so(
    environment, ours, theirs
):
    install(environment, ours, theirs)
    environment.pip("uninstall", "--yes", "adapters")

    command = environment.run("daydream", "--version")

    assert command.returncode == 2
    assert "`adapters` is missing or incomplete" in command.stderr
