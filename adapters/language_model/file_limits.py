"""Limits that all processes of a machine share, through locked files."""

import math
import struct
import time
from pathlib import Path
from typing import Final

import attrs
from filelock import FileLock

from adapters.file_lock import locked, take_lock

_SECONDS_PER_MINUTE: Final = 60.0
_FORMAT: Final = struct.Struct("<dd")


@attrs.frozen
class FileRateLimiter:
    """At most `per_minute` units in any minute, evenly spread.

    The file holds the time from which the next unit may be taken (the generic cell rate algorithm,
    ITU-T I.371, without bursts) and the time of writing. If the clock was set back since, the wait
    stays as long as it was. Nothing is reserved ahead, so a process that is killed while it waits
    leaves no gap.
    """

    path: Path
    per_minute: float

    def take(self, amount: float) -> float:
        """Take an amount now and return 0, or return the number of seconds after which to retry."""
        return self._move(amount, only_if_free=True)

    def charge(self, amount: float) -> None:
        """Take an additional amount that was used; give it back if it is negative."""
        self._move(amount, only_if_free=False)

    def _move(self, amount: float, *, only_if_free: bool) -> float:
        with locked(Path(f"{self.path}.lock")):
            now = time.time()
            free, written = self._read(now)
            if written > now:
                free -= written - now
                self.path.write_bytes(_FORMAT.pack(free, now))
            if only_if_free and free > now:
                return free - now
            moved = max(free, now) + amount * _SECONDS_PER_MINUTE / self.per_minute
            self.path.write_bytes(_FORMAT.pack(moved, now))
            return 0.0

    def _read(self, now: float) -> tuple[float, float]:
        try:
            free, written = _FORMAT.unpack(self.path.read_bytes())
        except (FileNotFoundError, struct.error):  # no file yet, or a killed write
            return now, now
        return (free, written) if math.isfinite(free + written) else (now, now)


@attrs.frozen
class FileSemaphore:
    """At most `count` holders at once. When a process ends, the system frees its slot."""

    folder: Path
    count: int

    def take(self) -> FileLock | None:
        """Return a slot for the caller to release, or None if all are taken."""
        for number in range(self.count):
            slot = take_lock(self.folder / f"slot-{number}.lock")
            if slot is not None:
                return slot
        return None
