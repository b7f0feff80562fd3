"""Claims as locks on files. A file exists only while its claim is held."""

import os
from contextlib import suppress
from typing import Final

import attrs

from adapters.file_lock import raise_if_unsupported
from adapters.storage import allow_open_files

# Windows lacks O_NOFOLLOW.
_OPEN: Final[int] = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)


@attrs.frozen(eq=False)
class FileClaim:
    """Holds the lock on the file `path` until it is released or the process ends."""

    path: str
    _descriptor: int

    def held(self) -> bool:
        """Return True: the system keeps the lock as long as the process lives."""
        return True

    def release(self) -> None:
        """Delete the file and release its lock."""
        if os.name == "nt":  # an open file cannot be deleted, so another claim cannot lose it
            os.close(self._descriptor)
            self._remove()
        else:  # once unlocked, the file could already belong to another claim
            self._remove()
            os.close(self._descriptor)

    def _remove(self) -> None:
        # A leftover file blocks nobody: only the lock counts.
        with suppress(OSError):
            os.unlink(self.path)


def claim_file(path: str) -> FileClaim | None:
    """Return the claim to this file's lock, or None if another process or thread holds it.

    When a process ends, the system releases its locks, and the next claim reuses the file.

    Raises:
        FileNotFoundError: The folder does not exist.
        LocksUnsupportedError: The file system has no locks.
        OSError: The file system refused, or `path` is a symbolic link.
    """
    allow_open_files()  # a run holds a claim, and with it an open file, for each generation
    while True:
        descriptor = os.open(path, _OPEN, 0o666)
        try:
            locked = _lock(descriptor)
            if locked and _is_there(descriptor, path):
                return FileClaim(path, descriptor)
        except BaseException as error:
            os.close(descriptor)
            if isinstance(error, OSError):
                raise_if_unsupported(error, os.path.dirname(path))
            raise
        os.close(descriptor)
        if not locked:
            return None
        # The holder deleted the file after it was opened here. Try again with the new file.


def is_abandoned(path: str) -> bool:
    """Return whether the file exists but nobody holds its lock, as after a kill. Changes nothing.

    Raises:
        OSError: The file system refused, or `path` is a symbolic link.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return False
    try:
        return _lock(descriptor) and _is_there(descriptor, path)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock an open file, and return whether nobody else holds its lock."""
    from filelock import lock_descriptor  # commands that only look claim nothing

    return lock_descriptor(descriptor, blocking=False)


def _is_there(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False
