"""Replacing a file so that a reader finds the whole old one or the whole new one."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

TEMPORARY_PREFIX: Final = ".tmp-"
"""How the file of a write under way is named; no id begins with a dot."""

# Windows knows no O_NOFOLLOW, and nothing but Windows knows O_BINARY.
_EXACT: Final[int] = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
READ: Final[int] = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _EXACT
"""Flags to open a file for its bytes, unless it is a symbolic link. Waits for no pipe's writer."""
_CREATE: Final[int] = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _EXACT


def write_atomically(folder: str, name: str, data: bytes, *, sync: bool) -> None:
    """Replace the file `name` in `folder` by one that holds `data`.

    With `sync` the file's content and its name are on the device when this returns, as far as
    the operating system can promise it. After any exception, KeyboardInterrupt included, the
    old file is as it was or, where the replacement itself was done already, the new one is
    there; nothing else is left. After the end of the process half way, a file named
    `TEMPORARY_PREFIX…` may be left.

    Raises:
        OSError: The folder is not there, or the file system refused.
    """
    # os and str instead of pathlib and open(): this is the hot path, and they cost half.
    temporary = f"{folder}/{TEMPORARY_PREFIX}{os.urandom(8).hex()}"
    try:
        # 0o666 under the user's umask, as open() has it; tempfile would make it 0o600.
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
    except FileNotFoundError:  # the folder is not there, and so no temporary file
        raise
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    if sync:
        sync_folder(folder)


def sync_folder(folder: str) -> None:
    """Make the names in `folder` survive a power cut. Windows has no such call: a no-op there."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file in one step, unless it is already identical. Makes its folder.

    Raises:
        OSError: The file system refused.
    """
    if path.exists() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(str(path.parent), path.name, data, sync=False)
