"""The folder of Dagster's databases, as far as a command knows it without loading Dagster.

A run that makes nothing need not load it, if Dagster knows all generations of the cohort.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import attrs

from daydreaming_dagster.bootstrap import DataRoot, SetupError, dagster_home, hold_lock
from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.ports.errors import LocksUnsupportedError
from daydreaming_dagster.types import Stage

LOCK: Final = "open.lock"
"""The file in the folder whose lock is held while the databases are set up or opened."""

SETTINGS: Final = "dagster.yaml"
_DEFAULT_SETTINGS: Final = """\
telemetry: {enabled: false}
nux: {enabled: false}
"""


@attrs.define(eq=False)
class EventLogError(DaydreamingError):
    """Dagster's database failed before or during a run. The next run records what is missing."""

    reason: str
    advice: str = "check the storage"

    def __str__(self) -> str:
        return (
            f"Dagster's database failed: {self.reason}; {self.advice}, and run the command again, "
            f"which also records what is missing"
        )


def write_settings(home: Path) -> None:
    """Write Dagster's settings, unless there are some. Without, its pages begin with a sign-up."""
    home.mkdir(parents=True, exist_ok=True)
    if not (home / SETTINGS).exists():
        (home / SETTINGS).write_text(_DEFAULT_SETTINGS, "utf-8")


def prepare_home(root: DataRoot) -> Path:
    """Return the folder of Dagster's databases, after creating it if it does not exist.

    Raises:
        SetupError: Nothing can be written there.
        LocksUnsupportedError: The file system has no locks.
        UnsafePathError: The folder in the data root is a symbolic link.
    """
    home = dagster_home(root)
    try:
        home.mkdir(parents=True, exist_ok=True)
        with hold_lock(home / LOCK):
            return home
    except LocksUnsupportedError:
        raise
    except OSError as error:
        raise SetupError(
            f"Dagster's databases cannot be kept in {home} ({error.strerror}); set DAGSTER_HOME to "
            "a writable folder"
        ) from error


def take_mark(
    home: Path, key_prefix: str, cohort_id: str, members: Mapping[Stage, Sequence[str]]
) -> bool:
    """Return whether the last run of a cohort was recorded, with these members, and unmark it.

    Events that were deleted in Dagster since are not missed. If its databases are deleted or kept
    elsewhere than in the folder `home`, nothing is marked.
    """
    mark = _mark(home, key_prefix, cohort_id)
    recorded = False
    with suppress(OSError, UnicodeDecodeError):
        recorded = mark.read_text("utf-8") == _digest(members)
        mark.unlink()
    return recorded


def leave_mark(
    home: Path, key_prefix: str, cohort_id: str, members: Mapping[Stage, Sequence[str]]
) -> None:
    """Mark that Dagster knows all generations of a cohort. Does nothing where that is impossible.

    The mark lies beside the databases of runs, so that who deletes them deletes it, too.
    """
    mark = _mark(home, key_prefix, cohort_id)
    with suppress(OSError):  # it only saves time
        mark.parent.mkdir(exist_ok=True)
        mark.write_text(_digest(members), "utf-8")


def _mark(home: Path, key_prefix: str, cohort_id: str) -> Path:
    return home / "history" / "recorded" / sha256(f"{key_prefix}/{cohort_id}")


def _digest(members: Mapping[Stage, Sequence[str]]) -> str:
    return sha256(repr({stage: sorted(gen_ids) for stage, gen_ids in members.items()}))
