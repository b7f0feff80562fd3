"""Checks the names of files in a data root."""

import re
from fnmatch import fnmatchcase
from typing import Final

from daydreaming_dagster.ports.errors import UnsafePathError

# A colon separates a drive or an alternate stream on Windows, where a backslash separates parts.
_UNSAFE: Final = re.compile(r"[\\:\x00]")


def check_name(name: str) -> str:
    """Return the name of a file that cannot lie outside its data root.

    Raises:
        UnsafePathError: It could.
    """
    if _UNSAFE.search(name) or {"", ".", ".."}.intersection(name.split("/")):
        raise UnsafePathError(name, "the name could lead outside the data root")
    return name


def matches(name: str, pattern: str) -> bool:
    """Return whether each part of a name matches its part of the pattern."""
    parts, patterns = name.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(map(fnmatchcase, parts, patterns))
