"""Files of a data root in a dict, for fast tests."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import attrs

from adapters.root_files.layout import LaidOutFiles
from adapters.root_files.names import check_name, matches


@attrs.frozen(eq=False)
class InMemoryRootFiles(LaidOutFiles):
    """`RootFiles` in memory. `contents` are the bytes by name; a test may change them."""

    contents: dict[str, bytes] = attrs.field(factory=dict)
    _held: set[str] = attrs.field(factory=set, init=False)
    _swapping: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def locate(self, name: str) -> str:
        return f"memory:{name}"

    def exists(self, name: str) -> bool:
        return check_name(name) in self.contents

    def find(self, pattern: str) -> list[str]:
        return [name for name in sorted(self.contents) if matches(name, pattern)]

    def ahead(self, folder: str) -> Self:  # noqa: ARG002  it is in memory
        return self

    def list_files(self, folder: str) -> list[str]:
        prefix = f"{check_name(folder)}/"
        return sorted(name for name in self.contents if name.startswith(prefix))

    def read(self, name: str) -> bytes:
        if check_name(name) not in self.contents:
            raise FileNotFoundError(name)
        return self.contents[name]

    def write(self, name: str, data: bytes) -> None:
        self.contents[check_name(name)] = data

    def record(self, name: str, data: bytes) -> bool:
        taken = check_name(name) in self.contents
        return not taken and self.create(name, data)

    def remove(self, name: str) -> None:
        self.contents.pop(check_name(name), None)

    def remove_folder(self, folder: str) -> None:
        for name in self.list_files(folder):
            del self.contents[name]

    @contextmanager
    def hold(self, name: str, busy: Exception) -> Iterator[None]:
        if check_name(name) in self._held:
            raise busy
        self._held.add(name)
        try:
            yield
        finally:
            self._held.remove(name)

    def list_locks(self, folder: str) -> list[str]:
        return sorted(name for name in self._held if name.startswith(f"{check_name(folder)}/"))

    def create(self, name: str, data: bytes) -> bool:
        return self.contents.setdefault(check_name(name), data) == data

    def swap(self, name: str, before: bytes | None, after: bytes) -> bool:
        with self._swapping:
            same = self.contents.get(check_name(name)) == before
            if same:
                self.contents[name] = after
            return same
