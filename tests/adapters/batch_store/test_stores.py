"""What all stores of batches guarantee, and what files may do besides."""

import threading

import pytest

from adapters.batch_store.files import FileBatchStore
from adapters.batch_store.filesystem import FilesystemBatchStore
from adapters.batch_store.in_memory import InMemoryBatchStore
from adapters.object_store.bucket import Bucket
from adapters.object_store.claims import BucketClaims
from adapters.root_files.bucket import BucketRootFiles
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.ports.errors import InvalidIdError, MalformedArtifactError, UnsafePathError


@pytest.fixture(params=["memory", "files", "bucket"])
def store(request, tmp_path):
    if request.param == "memory":
        yield InMemoryBatchStore()
    elif request.param == "files":
        yield FilesystemBatchStore(Paths(tmp_path))
    else:
        bucket = Bucket.open("memory:///")
        claims = BucketClaims(bucket, 1.0)
        yield FileBatchStore(BucketRootFiles(bucket, claims))
        claims.close()


def test_documents_are_replaced_listed_by_name_and_deleted(store):
    assert store.read_batches() == {}
    store.write_batch("b", {"status": "written"})
    store.write_batch("a", {"text": "é\ud7ff"})
    store.write_batch("b", {"status": "completed"})
    assert list(store.read_batches().items()) == [
        ("a", {"text": "é\ud7ff"}),
        ("b", {"status": "completed"}),
    ]
    store.delete_batch("a")
    store.delete_batch("a")
    assert list(store.read_batches()) == ["b"]


def test_names_are_checked(store):
    for act in (lambda: store.write_batch("../x", {}), lambda: store.delete_batch("../x")):
        with pytest.raises(InvalidIdError):
            act()


def test_one_holds_the_records_and_others_wait(store):
    held, order = threading.Event(), []

    def hold():
        with store.hold():
            held.set()
            order.append("first")

    with store.hold():
        thread = threading.Thread(target=hold)
        thread.start()
        assert not held.wait(0.2)
        order.append("before")
    thread.join()
    assert order == ["before", "first"]


def test_another_store_of_the_folder_sees_what_is_written_and_reads_a_file_once(tmp_path):
    writer, reader = (FilesystemBatchStore(Paths(tmp_path)) for _ in range(2))
    writer.write_batch("a", {"n": 1})
    (first,) = reader.read_batches().values()
    (second,) = reader.read_batches().values()
    assert first is second
    writer.write_batch("a", {"n": 2})
    assert reader.read_batches() == {"a": {"n": 2}}
    writer.delete_batch("a")
    assert reader.read_batches() == {}


@pytest.mark.parametrize("text", ["{", "[]", "\udcff"])
def test_a_file_that_is_no_document_is_an_error(tmp_path, text):
    store = FilesystemBatchStore(Paths(tmp_path))
    store.write_batch("a", {})
    (tmp_path / "batches/a.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(MalformedArtifactError, match=r"record of a batch in .*a\.json"):
        store.read_batches()


def test_links_are_refused(tmp_path):
    store = FilesystemBatchStore(Paths(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "batches").symlink_to(tmp_path / "elsewhere")
    for act in (
        lambda: store.write_batch("a", {}),
        lambda: store.delete_batch("a"),
        lambda: store.hold().__enter__(),
    ):
        with pytest.raises(UnsafePathError):
            act()
