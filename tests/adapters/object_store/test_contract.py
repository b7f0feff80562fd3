"""The contract of the store in a bucket: in memory, and on servers."""

import obstore
import pytest

from adapters import InMemoryGensStore, ReadOnlyGensStore
from adapters.gens_store.object_store import ObjectGensStore
from adapters.object_store.bucket import AT_ONCE, Bucket
from daydreaming_dagster.data_layer.paths import ARTIFACT_FILENAMES
from daydreaming_dagster.ports.gens_store import threads_for
from daydreaming_dagster.testing import GensStoreContract, ReadOnlyGensStoreContract


class InBucket:
    """Finds the objects by names of its own, so that a change of the layout is noticed."""

    def add_template(self, store, stage, template_id, source):
        self._put(store, f"1_raw/templates/{stage}/{template_id}.txt", source.encode())

    def put_bytes(self, store, stage, gen_id, artifact, data):
        self._put(store, self._name(stage, gen_id, artifact), data)

    def stored_bytes(self, store, stage, gen_id, artifact):
        name = self._name(stage, gen_id, artifact)
        return bytes(obstore.get(store.bucket._store, name).bytes())  # noqa: SLF001  a back door

    def plant_file(self, store, stage, name):
        self._put(store, f"gens/{stage}/{name}", b"")

    @pytest.fixture
    def settle(self):
        return lambda: None

    def digest(self, inner):
        listed = obstore.list(inner.bucket._store).collect()  # noqa: SLF001  a back door
        return sorted((meta["path"], meta["e_tag"], meta["last_modified"]) for meta in listed)

    def _put(self, store, name, data):
        obstore.put(store.bucket._store, name, data)  # noqa: SLF001  a back door

    def _name(self, stage, gen_id, artifact):
        return f"gens/{stage}/{gen_id}/{ARTIFACT_FILENAMES[artifact]}"


@pytest.fixture
def url(request):
    server = request.cls.server
    return request.getfixturevalue(f"{server}_url") if server else "memory:///"


@pytest.fixture
def bucket_store(url):
    store = ObjectGensStore(Bucket.open(url))
    yield store
    store.close()


def test_a_run_uses_many_threads_for_a_bucket_and_few_for_a_disk():
    assert threads_for(ObjectGensStore(Bucket.open("memory:///")), 2) == AT_ONCE
    assert threads_for(InMemoryGensStore(), 2) == 2


class TestInMemory(InBucket, GensStoreContract):
    server = None

    @pytest.fixture
    def store(self, bucket_store):
        return bucket_store


class TestReadOnlyInMemory(InBucket, ReadOnlyGensStoreContract):
    server = None

    @pytest.fixture
    def inner(self, bucket_store):
        return bucket_store

    @pytest.fixture
    def store(self, inner):
        return ReadOnlyGensStore(inner)


class TestOnS3(TestInMemory):
    server = "s3"


class TestReadOnlyOnS3(TestReadOnlyInMemory):
    server = "s3"


class TestOnMoto(TestInMemory):
    server = "moto"


class TestOnAzure(TestInMemory):
    server = "azure"


class TestReadOnlyOnAzure(TestReadOnlyInMemory):
    server = "azure"


class TestOnGoogle(TestInMemory):
    server = "google"


class TestReadOnlyOnGoogle(TestReadOnlyInMemory):
    server = "google"
