"""A rate that all machines share which use a bucket, taken in blocks by conditional writes.

An object holds the time up to which the rate is taken. Whoever needs units moves that time forward
by up to a second's worth, if nobody else moved it meanwhile, and spends them from its slot of time
on its own. So slots of different processes follow one another and never overlap, as in the generic
cell rate algorithm (ITU-T I.371), and there are few requests. A process that is killed leaves its
slot unused.

What is assumed of clocks: they go at the same speed. If one differs from the server's by more than
`_TRUSTED_SECONDS`, it is corrected by the time at which the server says that this process wrote.
If clocks still differ, slots overlap by at most this difference; their sum stays the same. Nobody
waits for longer than the writer of the object was ahead of its own clock, so an object that was
written with a wrong clock holds up nobody.
"""

import json
import math
import threading
import time
from collections.abc import Callable
from random import uniform
from typing import Final
from uuid import uuid4

import attrs

from adapters.object_store.bucket import Bucket, Found
from adapters.object_store.claims import BucketClaims, boot_time

_SECONDS_PER_MINUTE: Final = 60.0

_BLOCK_SECONDS: Final = 1.0
"""The longest slot, unless a single call needs more."""

_LATE_SECONDS: Final = 0.5
"""How long after its slot a unit may be taken: a process needs time to wake up and to write."""

_TRUSTED_SECONDS: Final = 1.5
"""The server tells times in whole seconds."""


@attrs.frozen
class _Taken:
    """What the object says: the time up to which the rate is taken, and when that was written."""

    until: float
    written: float

    @classmethod
    def of(cls, found: Found | None, now: float) -> "_Taken":
        """Read an object. One that is malformed, such as an edited one, counts as none."""
        try:
            document = json.loads(b"" if found is None else found.data)
            taken = cls(float(document["until"]), float(document["written"]))
        except (ValueError, TypeError, KeyError, RecursionError):
            return cls(-math.inf, now)
        return taken if math.isfinite(taken.until + taken.written) else cls(-math.inf, now)

    def encoded(self) -> bytes:
        # No other write has the same bytes, so a process knows its own.
        document = {**attrs.asdict(self), "writer": uuid4().hex}
        return f"{json.dumps(document)}\n".encode()


@attrs.define(eq=False)
class BucketRateLimiter:
    """At most `per_minute` units in any minute, evenly spread to the second. Any thread may use it.

    Attributes:
        name: The object's name.
        wall_clock: Returns the time in seconds since 1970; read once.
        clock: Returns seconds that pass.
    """

    bucket: Bucket
    claims: BucketClaims
    name: str
    per_minute: float
    wall_clock: Callable[[], float] = time.time
    clock: Callable[[], float] = boot_time
    _began: float | None = attrs.field(default=None, init=False)
    _correction: float | None = attrs.field(default=None, init=False)
    _start: float = attrs.field(default=-math.inf, init=False)
    _size: float = attrs.field(default=0.0, init=False)
    _used: float = attrs.field(default=0.0, init=False)
    _credit: float = attrs.field(default=0.0, init=False)
    """Units that were taken and not used; if negative, used and not taken."""
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def take(self, amount: float) -> float:
        """Take an amount now and return 0, or return the number of seconds after which to retry.

        Raises:
            StorageUnavailableError: The server ignores conditions, or a request failed.
        """
        with self._lock:
            needed = amount - self._credit
            if needed <= 0:
                self._credit -= amount
                return 0.0
            if self._left < needed:
                self._credit += self._left
                needed = amount - self._credit
                self._take_block(needed)
            release = self._start + self._used * self._seconds_per_unit
            if (wait := release - self._now()) > 0:
                return wait
            self._used += needed
            self._credit = 0.0
            return 0.0

    def charge(self, amount: float) -> None:
        """Take an additional amount that was used; give it back if it is negative."""
        with self._lock:
            self._credit = min(self._credit - amount, self.per_minute)

    @property
    def _seconds_per_unit(self) -> float:
        return _SECONDS_PER_MINUTE / self.per_minute

    @property
    def _left(self) -> float:
        """The units of the current slot that may still be taken."""
        end = self._start + self._size * self._seconds_per_unit
        return self._size - self._used if self._now() < end + _LATE_SECONDS else 0.0

    def _now(self) -> float:
        if self._began is None:
            self._began = self.wall_clock() - self.clock()
        return self.clock() + self._began + (self._correction or 0.0)

    def _take_block(self, needed: float) -> None:
        """Take a slot that has room for so many units."""
        self.claims.check_conditions()
        whole = self.per_minute * _BLOCK_SECONDS / _SECONDS_PER_MINUTE
        # As many as may be used in the slot, so that others need not wait for units that lapse.
        wanted = whole if not self._size else min(whole, 2 * self._used)
        size = max(needed, wanted)
        while True:
            found, now = self.bucket.find(self.name), self._now()
            taken = _Taken.of(found, now)
            until = min(taken.until, now + max(taken.until - taken.written, 0.0))
            start = until if until > now - _LATE_SECONDS else now
            data = _Taken(start + size * self._seconds_per_unit, now).encoded()
            if self._write(data, found):
                break
            time.sleep(uniform(0.0, 0.02))  # noqa: S311  so that processes do not meet again
        self._start, self._size, self._used = start, size, 0.0
        if self._correction is None:
            self._correct(data, now)

    def _write(self, data: bytes, found: Found | None) -> bool:
        tag = (
            self.bucket.create(self.name, data)
            if found is None
            else self.bucket.replace(self.name, data, found.tag)
        )
        # If the answer to the request is lost, the second one finds what the first wrote.
        return tag is not None or self.bucket.read(self.name) == data

    def _correct(self, data: bytes, before: float) -> None:
        """Compare the clock with the server's, if nobody has written meanwhile."""
        after = self._now()
        found = self.bucket.find(self.name)
        if found is None or found.data != data:
            return
        # The server wrote between `before` and `after`, and cut off parts of a second.
        low, high = found.modified - after, found.modified + 1.0 - before
        middle = (low + high) / 2
        self._correction = middle if abs(middle) > _TRUSTED_SECONDS else 0.0
        self._start += self._correction
