"""Tells a URL from a path."""

import re
from pathlib import Path
from typing import Final

BUCKET_SCHEMES: Final = frozenset({"s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl"})
"""The schemes of the URLs of buckets. An entry point of the same name comes first."""

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
