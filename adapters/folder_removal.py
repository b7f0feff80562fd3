"""Removes a folder in one step: a reader finds the whole of it, or nothing."""

import errno
import os
import shutil
from pathlib import Path
from typing import Final

DELETED_PREFIX: Final = ".deleted-"
"""Prefix of the folder of a deletion in progress. No id begins with a dot."""

# A deletion starts over if a write adds a file meanwhile. Each attempt loses to one complete write,
# so this many in a row mean that something else is wrong.
_ATTEMPTS: Final = 100


def remove_folder(folder: Path) -> None:
    """Delete a folder with all that is in it, if it exists.

    It is renamed first. If the process ends half-way, a folder named `DELETED_PREFIX…` may be left.

    Raises:
        OSError: The file system refused.
    """
    deleted = folder.with_name(f"{DELETED_PREFIX}{os.urandom(8).hex()}")
    try:
        folder.rename(deleted)
    except FileNotFoundError:
        return
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            shutil.rmtree(deleted)
            break
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.ENOENT) or attempt == _ATTEMPTS:
                raise
