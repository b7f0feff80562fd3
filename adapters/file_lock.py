"""Locks on files, which end with their process, and what happens where there are none."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from adapters.files_below_root import refuse_links
from daydreaming_dagster.ports.errors import LocksUnsupportedError

if TYPE_CHECKING:  # commands that only look lock nothing
    from filelock import FileLock

_NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})


def raise_if_unsupported(error: OSError, path: str | Path) -> None:
    """Return if the error of a lock has another cause than a file system without locks.

    Raises:
        LocksUnsupportedError: The file system has no locks.
    """
    if error.errno in _NO_LOCKS:
        raise LocksUnsupportedError(str(path), error.strerror or str(error)) from error


def take_lock(path: Path) -> "FileLock | None":
    """Return the lock of a file, for the caller to release from any thread.

    Returns None if another process or thread holds it.

    Raises:
        LocksUnsupportedError: The file system has no locks.
        OSError: The file system refused.
    """
    from filelock import Timeout

    lock = _lock_of(path)
    try:
        with _naming(path):
            lock.acquire(blocking=False)
    except Timeout:
        return None
    return lock


@contextmanager
def held(root: Path, path: Path, busy: Exception) -> Iterator[None]:
    """Hold the lock of a file below a root for the block, which may end in another thread.

    Raises:
        Exception: `busy`, if another process or thread holds it.
        UnsafePathError: A link leads to the file.
        LocksUnsupportedError: The file system has no locks.
        OSError: The file system refused.
    """
    refuse_links(root, path)
    lock = take_lock(path)
    if lock is None:
        raise busy
    try:
        yield
    finally:
        lock.release()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file for the block, after waiting for it.

    Raises:
        LocksUnsupportedError: The file system has no locks.
        OSError: The file system refused.
    """
    lock = _lock_of(path)
    with _naming(path):
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _lock_of(path: Path) -> "FileLock":
    from filelock import FileLock

    # The library's other locks outlive a killed process.
    return FileLock(path, thread_local=False, fallback_to_soft=False)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise_if_unsupported(error, path)
        raise
