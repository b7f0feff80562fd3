"""The files of a data root in a folder."""

import os
from pathlib import Path

import attrs

from adapters.atomic_write import TEMPORARY_PREFIX
from adapters.files_below_root import read_file, refuse_links, write_file
from adapters.root_files.layout import LaidOutFiles
from adapters.root_files.names import check_name


@attrs.frozen
class FilesystemRootFiles(LaidOutFiles):
    """`RootFiles` in the folder `root`. Leftovers of interrupted writes are not listed."""

    root: Path

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

    def create(self, name: str, data: bytes) -> bool:
        try:
            return self.read(name) == data
        except FileNotFoundError:
            write_file(self.root, self.root / name, data)
            return True
