"""The files of a data root in a folder."""

import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self

import attrs

from adapters.atomic_write import TEMPORARY_PREFIX
from adapters.file_lock import held, locked
from adapters.files_below_root import read_file, read_regular, refuse_links, write_file
from adapters.folder_removal import remove_folder
from adapters.root_files.layout import LaidOutFiles
from adapters.root_files.names import check_name


@attrs.frozen
class FilesystemRootFiles(LaidOutFiles):
    """`RootFiles` in the folder `root`. Leftovers of interrupted writes are not listed."""

    root: Path

    def locate(self, name: str) -> str:
        return str(self.root / name)

    def exists(self, name: str) -> bool:
        return (self.root / check_name(name)).exists()

    def find(self, pattern: str) -> list[str]:
        return sorted(path.relative_to(self.root).as_posix() for path in self.root.glob(pattern))

    def ahead(self, folder: str) -> Self:  # noqa: ARG002  it reads when it is asked
        return self

    def list_files(self, folder: str) -> list[str]:
        top = self.root / check_name(folder)
        refuse_links(self.root, top)
        found: list[str] = []
        for parent, folders, files in os.walk(top):
            links = [name for name in folders if Path(parent, name).is_symlink()]
            found += [
                Path(parent, name).relative_to(self.root).as_posix()
                for name in (*files, *links)
                if not name.startswith(TEMPORARY_PREFIX)
            ]
        return sorted(found)

    def read(self, name: str) -> bytes:
        return read_file(self.root, self.root / check_name(name))

    def write(self, name: str, data: bytes) -> None:
        write_file(self.root, self.root / check_name(name), data)

    def record(self, name: str, data: bytes) -> bool:
        path = self.root / check_name(name)
        refuse_links(self.root, path)
        if path.exists():
            return False
        write_file(self.root, path, data, sync=True)
        return True

    def remove(self, name: str) -> None:
        path = self.root / check_name(name)
        refuse_links(self.root, path)
        path.unlink(missing_ok=True)

    def remove_folder(self, folder: str) -> None:
        path = self.root / check_name(folder)
        refuse_links(self.root, path)
        remove_folder(path)

    def hold(self, name: str, busy: Exception) -> AbstractContextManager[None]:
        return held(self.root, self.root / check_name(name), busy)

    def list_locks(self, folder: str) -> list[str]:
        return self.list_files(folder)

    def create(self, name: str, data: bytes) -> bool:
        try:
            return self.read(name) == data
        except FileNotFoundError:
            write_file(self.root, self.root / name, data)
            return True

    def swap(self, name: str, before: bytes | None, after: bytes) -> bool:
        path = self.root / check_name(name)
        refuse_links(self.root, path)
        if before is not None and not path.exists():  # its folder may have been removed
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.with_name(f"{path.name}.lock")):
            same = read_regular(str(path)) == before
            if same:
                write_file(self.root, path, after)
            return same
