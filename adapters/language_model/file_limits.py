"""Limits that hold for all processes of a machine together, by files that they lock."""

import math
import struct
import time
from pathlib import Path
from typing import Final

import attrs
from filelock import FileLock, Timeout

_SECONDS_PER_MINUTE: Final = 60.0
_FORMAT: Final = struct.Struct("<dd")


@attrs.frozen
class FileRateLimiter:
    """At most `per_minute` of something in any minute, evenly spread.

    The file holds the moment from which the next may be taken (the generic cell rate
    algorithm, ITU-T I.371, without bursts), and when that was written: where the clock was put
    back since, the wait is as long as it was, and not longer. Nothing is taken ahead, so that a
    process that is killed while it waits leaves no gap.
    """

    path: Path
    per_minute: float

    def take(self, amount: float) -> float:
        """Take an amount now and return 0, or return in how many seconds to try again."""
        return self._move(amount, only_if_free=True)

    def charge(self, amount: float) -> None:
        """Take what turned out to be used beyond what was taken; give back where it is below 0."""
        self._move(amount, only_if_free=False)

    def _move(self, amount: float, *, only_if_free: bool) -> float:
        with FileLock(f"{self.path}.lock"):
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
        except (FileNotFoundError, struct.error):  # none yet, or a process was killed writing it
            return now, now
        return (free, written) if math.isfinite(free + written) else (now, now)


@attrs.frozen
class FileSemaphore:
    """At most `count` holders at once. The system frees the slot of a process that ends."""

    folder: Path
    count: int

    def take(self) -> FileLock | None:
        """Return a slot to be released, or None where all are taken."""
        for number in range(self.count):
            slot = FileLock(self.folder / f"slot-{number}.lock", thread_local=False)
            try:
                slot.acquire(blocking=False)
            except Timeout:
                continue
            return slot
        return None
