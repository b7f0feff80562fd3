"""Versions of generations, from the times of change of their files."""

import os
import stat
import time
import weakref
from collections.abc import Iterator, Mapping
from typing import Final

from daydreaming_dagster.data_layer.paths import ARTIFACT_FILENAMES
from daydreaming_dagster.ports.ids import is_id

_FILENAMES: Final = tuple(ARTIFACT_FILENAMES.values())

# How old the last change must be, so that the next change cannot get the same time. File systems
# stamp times in steps of milliseconds, FAT in steps of 2 seconds.
_SETTLED_NS: Final = 3_000_000_000


class FolderVersions(Mapping[str, str]):
    """The versions of the generations in the folder of a stage, as `FilesystemGensStore` says.

    Each is looked up when it is asked for, since a million would take much memory. What changed
    after this was made, or shortly before, has none.

    Raises:
        OSError: The folder cannot be opened or listed.
    """

    def __init__(self, folder: str, *, case_is_ignored: bool) -> None:
        self._settled = time.time_ns() - _SETTLED_NS
        # Relative to the opened folder, the system walks two names and not the whole path.
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        weakref.finalize(self, os.close, self._folder)
        # Where case is ignored, `A` would be found by the name `a`.
        self._names = frozenset(self._listed()) if case_is_ignored else None

    def __getitem__(self, gen_id: str) -> str:
        if not is_id(gen_id) or (self._names is not None and gen_id not in self._names):
            raise KeyError(gen_id)
        try:
            status = os.stat(gen_id, dir_fd=self._folder, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                raise KeyError(gen_id)
            changed = max(status.st_ctime_ns, self._last_change(gen_id))
        except OSError:  # it does not exist, or is not accessible
            raise KeyError(gen_id) from None
        if changed >= self._settled:
            raise KeyError(gen_id)
        return f"{status.st_ino}-{changed}"

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._listed() if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _listed(self) -> list[str]:
        return os.listdir(self._folder)  # noqa: PTH208  pathlib lists no descriptor

    def _last_change(self, gen_id: str) -> int:
        """Return the latest time of change of a generation's files, 0 if it has no files."""
        latest = 0
        for filename in _FILENAMES:
            try:
                status = os.stat(f"{gen_id}/{filename}", dir_fd=self._folder, follow_symlinks=False)
            except (FileNotFoundError, NotADirectoryError):
                continue
            latest = max(latest, status.st_ctime_ns)
        return latest
