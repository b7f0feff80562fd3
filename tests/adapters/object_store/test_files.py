"""Cohorts, loops and files in any kind of files: folder, memory, bucket in memory, on servers."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from adapters.batch_store import files as batch_files
from adapters.batch_store.files import FileBatchStore
from adapters.cohort_store.files import FileCohortStore
from adapters.loop_store.files import FileLoopStore
from builders import FILES
from daydreaming_dagster.ports.errors import (
    InvalidIdError,
    MalformedArtifactError,
    UnsafePathError,
)
from daydreaming_dagster.testing import CohortStoreContract, LoopStoreContract


@pytest.fixture
def data_files(files):
    more = {
        "cohorts/c2/spec/config.yaml": FILES["cohorts/c1/spec/config.yaml"],
        "loops/l1/spec.yaml": "pairs: 3\n",
        "loops/l2/spec.yaml": "pairs: 3\n",
    }
    for name, text in {**FILES, **more}.items():
        files.write(name, text.encode())
    return files


class TestCohorts(CohortStoreContract[FileCohortStore]):
    @pytest.fixture
    def cohorts(self, data_files):
        return FileCohortStore(data_files)


class TestLoops(LoopStoreContract[FileLoopStore]):
    @pytest.fixture
    def loops(self, data_files):
        return FileLoopStore(data_files)

    @pytest.fixture
    def cohorts(self, data_files):
        return FileCohortStore(data_files)


def test_records_of_batches_are_kept(files):
    batches = FileBatchStore(files)
    assert batches.read_batches() == {}
    for name in ("b2", "b1"):
        batches.write_batch(name, {"name": name})
    batches.write_batch("b1", {"name": "new"})
    assert list(batches.read_batches().items()) == [("b1", {"name": "new"}), ("b2", {"name": "b2"})]
    with batches.hold():
        batches.delete_batch("b2")
        batches.delete_batch("b2")
    assert batches.read_batches() == {"b1": {"name": "new"}}
    with pytest.raises(InvalidIdError):
        batches.write_batch("../b", {})
    for wrong in (b"[]", b"{"):
        files.write("batches/b1.json", wrong)
        with pytest.raises(MalformedArtifactError, match=r"batches/b1\.json"):
            batches.read_batches()


def test_who_holds_the_records_of_batches_is_waited_for(files, monkeypatch):
    monkeypatch.setattr(batch_files, "_HELD_SECONDS", 0.01)
    order = []
    with FileBatchStore(files).hold():
        waiting = threading.Thread(target=lambda: hold_and_note(files, order))
        waiting.start()
        time.sleep(0.05)
        order.append("first")
    waiting.join()
    assert order == ["first", "second"]


def hold_and_note(files, order):
    with FileBatchStore(files).hold():
        order.append("second")


def test_files_are_written_found_and_removed(files):
    assert files.list_files("a") == []
    for name in ("a/b/c.txt", "a/b/d.csv", "a/e/c.txt", "ab/b/c.txt"):
        assert not files.exists(name)
        files.write(name, b"old")
        files.write(name, name.encode())
        assert files.exists(name)
        assert files.read(name) == name.encode()
    assert files.list_files("a") == ["a/b/c.txt", "a/b/d.csv", "a/e/c.txt"]
    assert files.find("a/*/c.txt") == ["a/b/c.txt", "a/e/c.txt"]
    assert files.find("a/b/*") == ["a/b/c.txt", "a/b/d.csv"]
    files.remove("a/b/c.txt")
    files.remove("a/b/c.txt")
    assert files.list_files("a") == ["a/b/d.csv", "a/e/c.txt"]
    files.remove_folder("a")
    files.remove_folder("a")
    assert files.list_files("a") == []
    assert files.list_files("ab") == ["ab/b/c.txt"]


def test_a_new_file_is_recorded_once_and_created_unless_it_differs(files):
    assert files.record("a/b", b"1")
    assert not files.record("a/b", b"1")
    assert files.create("a/b", b"1")
    assert not files.create("a/b", b"2")
    assert files.create("a/c", b"3")
    assert [files.read("a/b"), files.read("a/c")] == [b"1", b"3"]


def test_a_file_is_swapped_only_while_it_has_the_contents_that_were_seen(files):
    assert not files.swap("a/b", b"0", b"1")
    assert files.swap("a/b", None, b"1")
    assert not files.swap("a/b", None, b"2")
    assert not files.swap("a/b", b"2", b"3")
    assert files.swap("a/b", b"1", b"2")
    assert files.read("a/b") == b"2"
    files.remove_folder("a")
    assert not files.swap("a/b", b"2", b"3")
    assert files.list_files("a") == []


def test_of_those_who_swap_the_same_contents_one_succeeds(files):
    files.write("a/b", b"")

    def add(worker):
        done = 0
        while done < 5:
            before = files.read("a/b")
            done += files.swap("a/b", before, before + bytes([worker]))

    with ThreadPoolExecutor() as pool:
        list(pool.map(add, range(4)))
    assert sorted(files.read("a/b")) == sorted([*range(4)] * 5)


def test_a_view_shows_the_files_that_it_has_read(files):
    files.write("a/b.txt", b"1")
    files.write("c/b.txt", b"2")
    view = files.ahead("a")
    assert view.read("a/b.txt") == b"1"
    assert view.read("c/b.txt") == b"2"
    assert view.exists("a/b.txt")
    assert not view.exists("a/c.txt")
    assert view.find("a/*.txt") == ["a/b.txt"]
    assert view.list_files("c") == ["c/b.txt"]
    with pytest.raises(FileNotFoundError):
        view.read("a/c.txt")


@pytest.mark.parametrize("name", ["", "/a", "a//b", "../a", "a/../../b", "a\\b", "c:/a"])
def test_a_name_that_leads_outside_is_refused(files, name):
    for attempt in (
        lambda: files.read(name),
        lambda: files.exists(name),
        lambda: files.write(name, b""),
        lambda: files.record(name, b""),
        lambda: files.create(name, b""),
        lambda: files.list_files(name),
        lambda: files.remove_folder(name),
        lambda: files.hold(name, KeyError()).__enter__(),
    ):
        with pytest.raises(UnsafePathError):
            attempt()


@pytest.mark.parametrize("url", ["memory:///", "s3"])
def test_what_one_process_holds_another_cannot_until_the_block_ends(in_bucket, url, request):
    url = request.getfixturevalue("s3_url") if url == "s3" else url
    first, second = in_bucket(url), in_bucket(url)
    with first.hold("a/run.lock", KeyError("busy")):
        for other in (first, second):
            with pytest.raises(KeyError, match="busy"), other.hold("a/run.lock", KeyError("busy")):
                pass
    with second.hold("a/run.lock", KeyError("busy")):
        pass
