"""Tells other processes for how long an endpoint asked to send no call."""

import json
import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import attrs

from daydreaming_dagster.ports.root_files import RootFiles

SHORTEST_SECONDS: Final = 1.0
"""Shorter pauses, and differences between pauses, are not worth a write."""

LONGEST_SECONDS: Final = 60.0
"""Who buys more calls while the endpoint asks for hours of patience is held up no longer than this.

After it, each process learns by a call of its own that the pause goes on.
"""


@attrs.define(eq=False)
class SharedPause:
    """A file that says until when no call may be sent. Any thread may use it.

    Clocks of machines may differ: nobody waits for longer than the writer was asked to, from the
    moment when the file is first seen. Without a file that can be read and written, each process
    pauses alone.

    Attributes:
        look_seconds: How often a process that calls reads the file.
        wall_clock: Returns the time in seconds since 1970.
        clock: Returns seconds that pass.
    """

    files: RootFiles
    name: str
    look_seconds: float
    wall_clock: Callable[[], float] = time.time
    clock: Callable[[], float] = time.monotonic
    _seen: bytes = attrs.field(default=b"", init=False)
    _until: float = attrs.field(default=-math.inf, init=False)
    _look_at: float = attrs.field(default=-math.inf, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    @property
    def due(self) -> bool:
        """Whether it is time to read the file again."""
        return self.clock() >= self._look_at

    def seconds(self) -> float:
        """Return for how long no call may be sent, 0 or less if one may. Reads the file if due."""
        with self._lock:
            if self.due:
                self._look()
            return self._until - self.clock()

    def extend(self, seconds: float) -> None:
        """Let nobody send a call for so long, unless another process has said so."""
        seconds = min(seconds, LONGEST_SECONDS)
        with self._lock:
            if self._until - self.clock() < seconds - SHORTEST_SECONDS:
                self._look()
            if self._until - self.clock() < seconds - SHORTEST_SECONDS:
                now = self.wall_clock()
                self._seen = f"{json.dumps({'until': now + seconds, 'written': now})}\n".encode()
                self._until = self.clock() + seconds
                with suppress(OSError):
                    self.files.write(self.name, self._seen)

    def _look(self) -> None:
        self._look_at = self.clock() + self.look_seconds
        with suppress(OSError, ValueError, TypeError, KeyError):  # no file yet, or an edited one
            data = self.files.read(self.name)
            if data != self._seen:
                document = json.loads(data)
                until, written = float(document["until"]), float(document["written"])
                left = min(until - self.wall_clock(), until - written, LONGEST_SECONDS)
                self._seen, self._until = data, self.clock() + left
