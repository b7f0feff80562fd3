"""Runs on file systems without locks."""

import errno
import os
import shutil
import subprocess
import sys

import pytest

WITHOUT_LOCKS = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int flock(int descriptor, int operation) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    if (strstr(path, getenv("WITHOUT_LOCKS"))) {
        errno = atoi(getenv("FLOCK_ERRNO"));
        return -1;
    }
    return syscall(SYS_flock, descriptor, operation);
}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """A library with which files whose path contains WITHOUT_LOCKS cannot be locked."""
    compiler = shutil.which("cc")
    if not sys.platform.startswith("linux") or compiler is None:
        pytest.skip("needs LD_PRELOAD and a C compiler")
    folder = tmp_path_factory.mktemp("flock")
    source, library = folder / "flock.c", folder / "flock.so"
    source.write_text(WITHOUT_LOCKS)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    return library


@pytest.fixture
def run_without_locks(daydream_process, library):
    """Run the cohort where locking files whose path contains `place` fails with this number."""

    def run(place, number):
        return daydream_process(
            "run", "c1", LD_PRELOAD=str(library), WITHOUT_LOCKS=place, FLOCK_ERRNO=str(number)
        )

    return run


@pytest.mark.usefixtures("planned")
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
@pytest.mark.parametrize(
    ("place", "named"),
    [("open.lock", "open.lock"), ("c1/run.lock", "c1/run.lock"), (".claimed-", "gens/draft")],
)
def test_a_file_system_without_locks_ends_a_run_before_the_first_call(
    run_without_locks, chat_endpoint, place, named, number
):
    ran = run_without_locks(place, number)

    assert ran.returncode in {1, 2}
    assert "Traceback" not in ran.stderr
    assert f"{named}: {os.strerror(number)}; use a local disk" in ran.stderr
    assert len(ran.stderr.splitlines()) < 12
    assert chat_endpoint.bodies == []


@pytest.mark.usefixtures("planned")
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS])
def test_limits_that_cannot_be_locked_are_an_error_before_the_first_call(
    run_without_locks, chat_endpoint, data_root, number
):
    models = data_root / "1_raw/llm_models.csv"
    head, row = models.read_text().splitlines()
    models.write_text(f"{head},max_concurrency,requests_per_minute\n{row},2,100\n")

    ran = run_without_locks("/limits/", number)

    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr
    assert "the limits in llm_models.csv cannot be kept in" in ran.stderr
    assert chat_endpoint.bodies == []
