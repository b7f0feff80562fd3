"""Files of a data root of each kind: in a folder, in memory, in a bucket in memory, on servers."""

import pytest

from adapters.object_store.bucket import Bucket
from adapters.object_store.claims import BucketClaims
from adapters.root_files.bucket import BucketRootFiles
from adapters.root_files.filesystem import FilesystemRootFiles
from adapters.root_files.in_memory import InMemoryRootFiles


@pytest.fixture
def in_bucket(request):
    """Return a function that opens the files of one bucket, each time as another process does."""
    opened = []

    def open_files(url):
        # Memory has no URL that opens it again.
        bucket = opened[0].bucket if opened and url == "memory:///" else Bucket.open(url)
        files = BucketRootFiles(bucket, BucketClaims(bucket, 1.0))
        opened.append(files)
        return files

    yield open_files
    for files in opened:
        files.claims.close()


@pytest.fixture(params=["memory", "folder", "bucket", "s3", "moto", "google"])
def files(request, in_bucket, tmp_path):
    if request.param == "memory":
        return InMemoryRootFiles()
    if request.param == "folder":
        return FilesystemRootFiles(tmp_path)
    real = request.param in {"s3", "moto", "google"}
    return in_bucket(request.getfixturevalue(f"{request.param}_url") if real else "memory:///")
