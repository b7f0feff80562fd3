"""The contract of `CohortStore` on every adapter."""

import shutil

import pytest

from adapters.cohort_store.filesystem import FilesystemCohortStore
from adapters.cohort_store.in_memory import InMemoryCohortStore
from daydreaming_dagster.testing import CohortStoreContract


@pytest.fixture
def filesystem(data_root):
    shutil.copytree(data_root / "cohorts/c1", data_root / "cohorts/c2")
    return FilesystemCohortStore(data_root)


class TestFilesystem(CohortStoreContract[FilesystemCohortStore]):
    @pytest.fixture
    def cohorts(self, filesystem):
        return filesystem


class TestInMemory(CohortStoreContract[InMemoryCohortStore]):
    @pytest.fixture
    def cohorts(self, filesystem):
        specs = {name: filesystem.read_spec(name) for name in ("c1", "c2")}
        return InMemoryCohortStore(filesystem.read_catalog(), specs)
