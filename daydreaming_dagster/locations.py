"""Tells a URL from a path, and where a place lies."""

import os
import re
from pathlib import Path, PurePath, PurePosixPath
from typing import Final

BUCKET_SCHEMES: Final = {
    **dict.fromkeys(("s3", "s3a"), "s3"),
    "gs": "gs",
    **dict.fromkeys(("az", "azure", "abfs", "abfss", "adl"), "az"),
}
"""The schemes of the URLs of buckets, with the one that names the same buckets.

An entry point of the same name comes first.
"""

# A single letter before the colon is a Windows drive, and a `Path` keeps one slash of `s3://b`.
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):([/\\]?)")


def scheme_of(location: str | Path) -> str | None:
    """Return the scheme of a URL in lower case, even of a malformed one of a bucket; else None."""
    found = _SCHEME.match(str(location))
    if found is None:
        return None
    scheme = found[1].lower()
    return scheme if found[2] or scheme in BUCKET_SCHEMES else None


def is_url(location: str | Path) -> bool:
    """Return whether this is a URL, or was one before it became a `Path`."""
    return scheme_of(location) is not None


def absolute_location(location: str | Path) -> str:
    """Return a path as an absolute path, and a URL as it is.

    Dagster keeps and shows where things are, and is looked at from other folders.
    """
    return str(location) if is_url(location) else str(Path(location).absolute())


def lies_in(inner: str | Path, outer: str | Path) -> bool:
    """Return whether a place, a path or URL, is the other one or lies below it."""
    return _place(inner).is_relative_to(_place(outer))


def _place(location: str | Path) -> PurePath:
    scheme = scheme_of(location)
    if scheme is None:
        return Path(os.path.realpath(location))
    parts = str(location).partition(":")[2].split("/")
    return PurePosixPath(BUCKET_SCHEMES.get(scheme, scheme), *parts)
