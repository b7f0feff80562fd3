"""A device that reports EIO only when it is asked whether the data arrived."""

import errno
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from adapters import FilesystemGensStore
from daydreaming_dagster.data_layer import Paths

FAILING_FSYNC = r"""
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int fsync(int descriptor) {
    static int calls = 0;
    if (++calls == atoi(getenv("FAILING_FSYNC"))) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_fsync, descriptor);
}
"""


@pytest.fixture(scope="module")
def failing_fsync(tmp_path_factory):
    """A library that makes the n-th fsync of a process fail."""
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux takes a library by LD_PRELOAD")
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    folder = tmp_path_factory.mktemp("fsync")
    source, library = folder / "fsync.c", folder / "fsync.so"
    source.write_text(FAILING_FSYNC)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    return library


@pytest.fixture
def write_with_failing_fsync(failing_fsync, start, tmp_path):
    def write(nth):
        FilesystemGensStore(tmp_path).write_raw("draft", "a", "old")
        environment = {"LD_PRELOAD": str(failing_fsync), "FAILING_FSYNC": str(nth)}
        return start("write_once", str(tmp_path), **environment)()

    return write


def files(root):
    return [path.name for path in Path(root).rglob("*") if path.is_file()]


def test_a_text_that_did_not_reach_the_device_does_not_replace_the_old_one(
    write_with_failing_fsync, tmp_path
):
    assert write_with_failing_fsync(1) == errno.EIO
    assert FilesystemGensStore(tmp_path).read_raw("draft", "a") == "old"
    assert files(tmp_path) == ["raw.txt"]


@pytest.mark.parametrize("nth", [2, 3, 4, 5])
def test_a_name_that_did_not_reach_the_device_is_reported_and_the_new_text_is_whole(
    write_with_failing_fsync, tmp_path, nth
):
    assert write_with_failing_fsync(nth) == errno.EIO
    assert FilesystemGensStore(tmp_path).read_raw("draft", "a").startswith("new new")
    assert files(tmp_path) == [Paths(tmp_path).raw_path("draft", "a").name]


def test_a_device_that_works_reports_nothing(write_with_failing_fsync, tmp_path):
    assert write_with_failing_fsync(6) is None
    assert FilesystemGensStore(tmp_path).read_raw("draft", "a").startswith("new new")
