"""Claims on disk: the lock of a file that comes and goes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import filelock
import pytest

from adapters import FilesystemGensStore
from adapters.gens_store.file_claim import claim_file, is_abandoned
from daydreaming_dagster.ports.errors import UnsafePathError


@pytest.fixture
def store(tmp_path):
    return FilesystemGensStore(tmp_path)


@pytest.fixture
def path(tmp_path):
    return f"{tmp_path}/claimed"


def test_a_file_is_there_while_a_generation_is_claimed_and_no_longer(store, tmp_path):
    claim = store.claim("draft", "a")
    assert [file.name for file in (tmp_path / "gens/draft").iterdir()] == [".claimed-a"]

    claim.release()

    assert list((tmp_path / "gens/draft").iterdir()) == []


def test_two_stores_on_one_folder_keep_each_other_out(store, tmp_path):
    claim = store.claim("draft", "a")
    other = FilesystemGensStore(tmp_path)
    assert other.claim("draft", "a") is None

    claim.release()

    other.claim("draft", "a").release()


def test_a_link_in_the_place_of_a_claim_is_refused_and_nothing_is_made_where_it_leads(
    store, path, tmp_path
):
    store.reserve_generation("draft", "a")
    (tmp_path / "gens/draft/.claimed-a").symlink_to(path)

    with pytest.raises(UnsafePathError, match="symbolic link"):
        store.claim("draft", "a")
    assert not os.path.lexists(path)


def test_the_lock_of_a_file_that_was_removed_meanwhile_is_no_claim(path, monkeypatch):
    """The holder releases, and another claims, between opening the file and locking it."""
    lock_descriptor = filelock.lock_descriptor
    claims = [claim_file(path)]

    def lock_late(descriptor, *, blocking):
        if len(claims) == 1:
            claims[0].release()
            claims.append(None)
            claims[1] = claim_file(path)
        return lock_descriptor(descriptor, blocking=blocking)

    monkeypatch.setattr(filelock, "lock_descriptor", lock_late)

    assert claim_file(path) is None
    claims[1].release()


def test_the_file_of_a_claim_that_comes_right_after_a_release_stays(path, monkeypatch):
    claims = [claim_file(path)]
    close = os.close

    def close_and_claim(descriptor):
        close(descriptor)
        if len(claims) == 1:
            claims.append(None)
            claims[1] = claim_file(path)

    monkeypatch.setattr(os, "close", close_and_claim)
    claims[0].release()

    assert claim_file(path) is None
    claims[1].release()


def test_an_error_in_locking_leaves_no_open_file(path, monkeypatch):
    opened = []

    def fail(descriptor, *, blocking):
        opened.append(descriptor)
        raise OSError("no locks here")

    monkeypatch.setattr(filelock, "lock_descriptor", fail)

    with pytest.raises(OSError, match="no locks here"):
        claim_file(path)

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened[0])


def test_a_file_is_abandoned_when_it_is_there_and_nobody_has_its_lock(path):
    assert not is_abandoned(path)
    claim = claim_file(path)
    assert not is_abandoned(path)
    claim.release()
    Path(path).touch()
    assert is_abandoned(path)
    assert Path(path).exists()


PROGRAM = """
import json, resource, sys
from adapters.gens_store.file_claim import claim_file

_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
claims = [claim_file(f"{sys.argv[1]}/{number}") for number in range(256)]
print(json.dumps(len(claims)))
"""


def test_all_generations_of_a_run_can_be_claimed_where_few_files_are_allowed(tmp_path):
    """macOS allows 256 files at once, which so many claims alone would take."""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )
    assert json.loads(ran.stdout) == 256
