"""Reads and writes files below a data root: only regular files, never through a symbolic link."""

import errno
import os
import stat
from pathlib import Path
from typing import Final

from adapters.atomic_write import READ, replace_file
from adapters.storage import raise_if_unavailable
from daydreaming_dagster.ports.errors import UnsafePathError

LARGEST_BYTES: Final = 2**30
"""Neither a researcher nor this package writes larger files."""


def read_file(root: Path, path: Path) -> bytes:
    """Return the contents of a file below `root`.

    Raises:
        FileNotFoundError: The file does not exist.
        UnsafePathError: The path leads through a symbolic link, or to something that is not a
            regular file, or is larger than `LARGEST_BYTES`.
        OSError: The file system refused.
    """
    refuse_links(root, path)
    data = read_regular(str(path))
    if data is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    return data


def write_file(root: Path, path: Path, data: bytes, *, sync: bool = False) -> None:
    """Do what `replace_file` does with a file below `root`.

    Raises:
        UnsafePathError: The path leads through a symbolic link.
        StorageUnavailableError: The file system is full, or fails for every file.
        OSError: The file system refused this file.
    """
    refuse_links(root, path)
    try:
        replace_file(path, data, sync=sync)
    except OSError as error:
        raise_if_unavailable(error, root)
        raise


def refuse_links(root: Path, path: Path) -> None:
    """Check that no part of `path` below `root` is a symbolic link.

    Raises:
        UnsafePathError: A part is a link.
    """
    below = str(root)
    for name in path.relative_to(root).parts:
        below = f"{below}/{name}"
        if os.path.islink(below):
            raise linked(below)


def linked(path: str) -> UnsafePathError:
    """Return the error for a symbolic link."""
    return UnsafePathError(path, "a symbolic link may lead outside the data root; replace it")


def read_regular(path: str) -> bytes | None:
    """Return the contents of a regular file, or None if it does not exist.

    Raises:
        UnsafePathError: It is a symbolic link, not a regular file, or too large.
        OSError: The file system refused.
    """
    try:
        descriptor = os.open(path, READ)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise linked(path) from error
        if error.errno == errno.ENXIO:  # a socket
            raise UnsafePathError(path, "it is not a regular file; remove it") from error
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UnsafePathError(path, "it is not a regular file; remove it")
        if status.st_size > LARGEST_BYTES:
            raise UnsafePathError(path, f"it is larger than {LARGEST_BYTES:,} bytes")
        data = os.read(descriptor, status.st_size)
        while len(data) < status.st_size and (more := os.read(descriptor, status.st_size)):
            data += more
        return data
    finally:
        os.close(descriptor)
