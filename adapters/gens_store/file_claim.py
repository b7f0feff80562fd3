"""An exclusive right, as the lock of a file that is there only while somebody has it."""

import os
from contextlib import suppress
from functools import cache
from typing import Final

import attrs
from filelock import lock_descriptor

# Windows knows no O_NOFOLLOW.
_OPEN: Final[int] = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)

# A run holds 256 claims, one file each. Where a process may open no more files than that, as on
# macOS, an answer that was paid for could find none left to be stored in.
_OPEN_FILES: Final = 2048


@attrs.frozen(eq=False)
class FileClaim:
    """Has the lock of the file `path`, until it is released or the process ends."""

    path: str
    _descriptor: int

    def release(self) -> None:
        """Remove the file and give up its lock."""
        if os.name == "nt":  # where nobody can remove an open file, and so none that is locked
            os.close(self._descriptor)
            self._remove()
        else:  # where the file could be another's as soon as it is unlocked
            self._remove()
            os.close(self._descriptor)

    def _remove(self) -> None:
        # A file that stays behind hinders nobody: the lock is what counts.
        with suppress(OSError):
            os.unlink(self.path)


def claim_file(path: str) -> FileClaim | None:
    """Return the claim that the lock of this file stands for, None while another has it.

    The system unlocks the file of a process that ends, and the next claim takes it over.

    Raises:
        FileNotFoundError: The folder is not there.
        OSError: The file system refused, or `path` is a symbolic link.
    """
    _allow_open_files()
    while True:
        descriptor = os.open(path, _OPEN, 0o666)
        try:
            locked = lock_descriptor(descriptor, blocking=False)
            if locked and _is_there(descriptor, path):
                return FileClaim(path, descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if not locked:
            return None
        # Its holder removed the file after it was opened here: the next file is what counts.


def is_abandoned(path: str) -> bool:
    """Return whether the file is there and nobody has its lock, as after a kill. Changes nothing.

    Raises:
        OSError: The file system refused, or `path` is a symbolic link.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return False
    try:
        return lock_descriptor(descriptor, blocking=False) and _is_there(descriptor, path)
    finally:
        os.close(descriptor)


def _is_there(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


@cache
def _allow_open_files() -> None:
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
