"""Random histories on memory and disk at once; `THOROUGH=1` runs many long ones."""

import os
import tempfile
from contextlib import contextmanager

from hypothesis import HealthCheck, settings

from adapters import FilesystemGensStore, InMemoryGensStore, UnsyncedFilesystemGensStore
from adapters.gens_store.object_store import ObjectGensStore
from adapters.object_store.bucket import Bucket
from daydreaming_dagster.testing.stateful import gens_store_machine

THOROUGH = bool(os.environ.get("THOROUGH"))


@contextmanager
def fresh_stores():
    memory, bucket = InMemoryGensStore(), ObjectGensStore(Bucket.open("memory:///"))
    with tempfile.TemporaryDirectory() as synced, tempfile.TemporaryDirectory() as unsynced:
        yield {
            "memory": lambda: memory,
            "bucket": lambda: bucket,
            "disk": lambda: FilesystemGensStore(synced),
            "disk, unsynced": lambda: UnsyncedFilesystemGensStore(unsynced),
        }


TestStoresInLockstep = gens_store_machine(fresh_stores).TestCase
TestStoresInLockstep.settings = settings(
    max_examples=500 if THOROUGH else 30,
    stateful_step_count=100 if THOROUGH else 30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
