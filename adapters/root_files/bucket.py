"""The files of a data root in a bucket."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import attrs

from adapters.object_store.bucket import Bucket
from adapters.object_store.claims import BucketClaims
from adapters.root_files.layout import LaidOutFiles
from adapters.root_files.names import check_name, matches


@attrs.frozen(eq=False)
class BucketRootFiles(LaidOutFiles):
    """`RootFiles` in a bucket. A folder is deleted file by file, its specification last."""

    bucket: Bucket
    claims: BucketClaims
    # What a view has read: the contents by name of all files below a folder.
    _folder: str | None = None
    _contents: dict[str, bytes] = attrs.field(factory=dict, repr=False)

    def locate(self, name: str) -> str:
        return self.bucket.locate(name)

    def exists(self, name: str) -> bool:
        if self._is_ahead(check_name(name)):
            return name in self._contents
        return self.bucket.find(name) is not None

    def find(self, pattern: str) -> list[str]:
        folder = pattern.split("*", 1)[0].rpartition("/")[0]
        return [name for name in self.list_files(folder) if matches(name, pattern)]

    def ahead(self, folder: str) -> Self:
        names = self.list_files(folder)
        read = zip(names, self.bucket.read_many(names), strict=True)
        contents = {name: data for name, data in read if data is not None}
        return attrs.evolve(self, folder=folder, contents=contents)

    def list_files(self, folder: str) -> list[str]:
        if self._is_ahead(f"{check_name(folder)}/"):
            return sorted(name for name in self._contents if name.startswith(f"{folder}/"))
        return sorted(meta["path"] for meta in self.bucket.list(folder))

    def read(self, name: str) -> bytes:
        if self._is_ahead(check_name(name)):
            data = self._contents.get(name)
        else:
            data = self.bucket.read(name)
        if data is None:
            raise FileNotFoundError(f"there is no {self.locate(name)}")
        return data

    def write(self, name: str, data: bytes) -> None:
        self.bucket.write(check_name(name), data)

    def record(self, name: str, data: bytes) -> bool:
        if self.exists(name):
            return False
        # If the answer to the request is lost, the second one finds the file that the first wrote.
        return self.create(name, data)

    def create(self, name: str, data: bytes) -> bool:
        created = self.bucket.create(check_name(name), data)
        return created is not None or self.bucket.read(name) == data

    def remove(self, name: str) -> None:
        self.bucket.delete([check_name(name)])

    def remove_folder(self, folder: str) -> None:
        names = self.list_files(folder)
        for of_spec in (False, True):  # the specification goes last
            self.bucket.delete([name for name in names if ("/spec/" in name) is of_spec])

    @contextmanager
    def hold(self, name: str, busy: Exception) -> Iterator[None]:
        claim = self.claims.claim_from_dead(check_name(name))
        if claim is None:
            raise busy
        try:
            yield
        finally:
            claim.release()

    def swap(self, name: str, before: bytes | None, after: bytes) -> bool:
        self.claims.check_conditions()
        found = self.bucket.find(check_name(name))
        if (None if found is None else found.data) != before:
            return False
        if found is None:
            return self.create(name, after)
        replaced = self.bucket.replace(name, after, found.tag)
        # If the answer to the request is lost, the second one finds what the first wrote.
        return replaced is not None or self.bucket.read(name) == after

    def list_locks(self, folder: str) -> list[str]:
        return self.claims.names(check_name(folder))

    def _is_ahead(self, name: str) -> bool:
        return self._folder is not None and name.startswith(f"{self._folder}/")
