"""Replaces a file in one step: a reader finds the whole old file or the whole new one."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

TEMPORARY_PREFIX: Final = ".tmp-"
"""Prefix of the file of a write in progress. No id begins with a dot."""

# Windows lacks O_NOFOLLOW, and only Windows has O_BINARY.
_EXACT: Final[int] = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
READ: Final[int] = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _EXACT
"""Flags to read a file's bytes. Opening a symbolic link fails; opening a pipe does not block."""
_CREATE: Final[int] = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _EXACT


def write_atomically(folder: str, name: str, data: bytes, *, sync: bool) -> None:
    """Replace the contents of the file `name` in `folder` with `data`.

    With `sync`, the file's contents and its name are on the device when this returns, as far as the
    operating system can guarantee. After any exception, including KeyboardInterrupt, the old file
    is unchanged, or the new one is in place if the replacement was already done; no other file is
    left. If the process ends half-way, a file named `TEMPORARY_PREFIX…` may be left.

    Raises:
        OSError: The folder does not exist, or the file system refused.
    """
    # os and str cost half as much as pathlib and open(), and this is the hot path.
    temporary = f"{folder}/{TEMPORARY_PREFIX}{os.urandom(8).hex()}"
    try:
        # 0o666 and the user's umask, like open(); tempfile would use 0o600.
        descriptor = os.open(temporary, _CREATE, 0o666)
        try:
            written = os.write(descriptor, data)
            while written < len(data):
                written += os.write(descriptor, memoryview(data)[written:])
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, f"{folder}/{name}")
    except FileNotFoundError:  # the folder does not exist, so there is no temporary file
        raise
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    if sync:
        sync_folder(folder)


def sync_folder(folder: str) -> None:
    """Sync the names in `folder` to the device. Does nothing on Windows, which has no such call."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, data: bytes, *, sync: bool = False) -> None:
    """Replace a file in one step, unless it is already identical. Creates its folder.

    `sync` is that of `write_atomically`.

    Raises:
        OSError: The file system refused.
    """
    if path.exists() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(str(path.parent), path.name, data, sync=sync)
