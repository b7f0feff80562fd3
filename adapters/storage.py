"""What a file system refuses to every write alike, and how much it can still take."""

import errno
import os
import shutil
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

from daydreaming_dagster.ports.errors import StorageUnavailableError

_ANSWER_BYTES: Final = 128 * 1024
"""Room for an answer with its reasoning, metadata, prompt and parsed text, and Dagster's events."""
_OTHER_BYTES: Final = 1024 * 1024
"""Room for what a run writes besides answers: its logs and the cohort's index."""
_ANSWER_INODES: Final = 8
"""A generation's folder and files, and its claim."""

_WANTED_FILES: Final = 2048
"""As many as a run needs with all the generations that it may have in flight."""
_FILES_EACH: Final = 4
"""A generation's claim, its slot in the model's limits, its connection, and one to spare."""
_OTHER_FILES: Final = 24
"""Two writes at once, Dagster's databases, name resolution."""

_OPEN_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE})
# Windows lacks EDQUOT and ESTALE.
_OF_STORAGE: Final = _OPEN_FILES | {
    errno.EFBIG,
    errno.EIO,
    errno.ENOSPC,
    errno.EROFS,
    getattr(errno, "EDQUOT", errno.ENOSPC),
    getattr(errno, "ESTALE", errno.ENOSPC),
}


def raise_if_unavailable(error: OSError, location: Path) -> None:
    """Return if the error of a write concerns one file alone.

    Raises:
        StorageUnavailableError: Any other write would fail as well.
    """
    if error.errno in _OF_STORAGE:
        raise _unavailable(error, location) from error


def raise_if_out_of_files(error: OSError, location: Path) -> None:
    """Return if the error of a read concerns one file alone.

    Raises:
        StorageUnavailableError: No file can be opened at present.
    """
    if error.errno in _OPEN_FILES:
        raise _unavailable(error, location) from error


def _unavailable(error: OSError, location: Path) -> StorageUnavailableError:
    unavailable = StorageUnavailableError(str(location), error.strerror or str(error))
    unavailable.errno = error.errno
    return unavailable


def check_space(location: Path, answers: int) -> None:
    """Return if the file system has room for so many answers. Quotas of users are not seen.

    Raises:
        StorageUnavailableError: It has not.
    """
    with suppress(FileNotFoundError):  # the first write creates the folder
        free, needed = shutil.disk_usage(location).free, answers * _ANSWER_BYTES + _OTHER_BYTES
        if free < needed:
            reason = f"{free:,} bytes are free, and {needed:,} are kept free for {answers} answers"
            raise StorageUnavailableError(str(location), reason)
        if hasattr(os, "statvfs"):
            status, inodes = os.statvfs(location), answers * _ANSWER_INODES
            # Some file systems have no fixed number of inodes, and say 0.
            if status.f_files and status.f_favail < inodes:
                reason = (
                    f"{status.f_favail:,} files can be created, and {inodes:,} are kept free "
                    f"for {answers} answers"
                )
                raise StorageUnavailableError(str(location), reason)


def most_in_flight(location: Path) -> int:
    """Return how many generations a run can have in flight with the files that it may open.

    Raises:
        StorageUnavailableError: Not even one.
    """
    limit = allow_open_files()
    if limit >= _WANTED_FILES:
        return _WANTED_FILES
    opened = len(list(Path("/dev/fd").iterdir())) - 1  # without the folder itself
    most = (limit - opened - _OTHER_FILES) // _FILES_EACH
    if most < 1:
        reason = (
            f"this process may open {limit} files and has opened {opened}; "
            f"raise the limit with `ulimit -n {_WANTED_FILES}`"
        )
        raise StorageUnavailableError(str(location), reason)
    return most


@cache
def allow_open_files() -> int:
    """Raise the number of files that this process may open, if it may, and return it.

    macOS allows 256 by default, so that a paid answer could not be stored.
    """
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return _WANTED_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = _WANTED_FILES if hard == resource.RLIM_INFINITY else min(_WANTED_FILES, hard)
    if soft == resource.RLIM_INFINITY or soft >= allowed:
        return _WANTED_FILES if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed
