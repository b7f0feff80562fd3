"""Checks that an id is safe as a folder name on every file system."""

import re
from collections.abc import Collection
from itertools import islice
from typing import Final, TypeGuard

from daydreaming_dagster.ports.errors import InvalidIdError
from daydreaming_dagster.types import Stage

MAX_ID_LENGTH: Final = 128
MAX_STAGE_LENGTH: Final = 40

# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_DEVICE_NAME: Final = "(?i:CON|PRN|AUX|NUL|COM[0-9]|LPT[0-9])"
_ID: Final = rf"(?!{_DEVICE_NAME}(?:/|\Z))[A-Za-z0-9][A-Za-z0-9_-]{{0,{MAX_ID_LENGTH - 1}}}"
_one_stage: Final = re.compile(
    rf"(?!{_DEVICE_NAME}\Z)[a-z][a-z0-9_]{{0,{MAX_STAGE_LENGTH - 1}}}"
).fullmatch
_one_id: Final = re.compile(_ID).fullmatch
_many_ids: Final = re.compile(f"(?:{_ID}/)*").fullmatch
_CHECKED_TOGETHER: Final = 1_000
"""While it matches, a regular expression keeps a hundred bytes for each id."""


def check_stage(stage: object) -> Stage:
    """Return `stage` as a plain str. Whether a pipeline has such a stage is for it to say.

    Raises:
        InvalidIdError: It is not a string of at most `MAX_STAGE_LENGTH` ASCII lower-case letters,
            digits and `_` that begins with a letter, or it is a Windows device name.
    """
    if not is_stage(stage):
        raise InvalidIdError(
            "stage",
            _shown(stage),
            f"expected 1 to {MAX_STAGE_LENGTH} of a-z, 0-9 and _, beginning with a letter, and no "
            f"device name such as con",
        )
    return str.__str__(stage)


def is_stage(value: object) -> TypeGuard[Stage]:
    """Return whether `check_stage` accepts `value`."""
    return isinstance(value, str) and _one_stage(value) is not None


def check_id(kind: str, value: object) -> str:
    """Return `value` as a plain str. `kind` is the kind of id (`gen_id`, …) for the error.

    Raises:
        InvalidIdError: It is not a string of at most `MAX_ID_LENGTH` ASCII letters, digits,
            `_` and `-` that begins with a letter or digit, or it is a Windows device name.
    """
    if not is_id(value):
        raise InvalidIdError(
            kind,
            _shown(value),
            f"expected 1 to {MAX_ID_LENGTH} of A-Z, a-z, 0-9, _ and -, beginning with a letter "
            f"or digit, and no device name such as CON",
        )
    # A subclass such as StrEnum may format itself differently from the string that was checked.
    return str.__str__(value)


def is_id(value: object) -> TypeGuard[str]:
    """Return whether `check_id` accepts `value`."""
    return isinstance(value, str) and _one_id(value) is not None


def are_ids(values: Collection[str]) -> bool:
    """Return whether `check_id` accepts every value. For many, it takes less than half the time."""
    remaining = iter(values)
    while some := list(islice(remaining, _CHECKED_TOGETHER)):
        joined = "/".join([*some, ""])
        if _many_ids(joined) is None or joined.count("/") != len(some):
            return False
    return True


def _shown(value: object, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"
