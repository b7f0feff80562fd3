"""Which cohorts Dagster knows completely: a run that makes nothing need not load Dagster then.

Imports no Dagster.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.types import Stage


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
