"""How long a paid answer that cannot be stored is kept in memory."""

import time
from typing import Final

import attrs

from daydreaming_dagster.ports.errors import StorageUnreachableError

_ATTEMPTS: Final = 3
"""How often storing a paid answer is tried after the last answer in flight has come."""

UNREACHABLE_SECONDS: Final = 60.0
"""For how long it is tried after that in a storage on a network, which comes back by itself."""


@attrs.define
class StoringPatience:
    """Counts the attempts to store one answer that failed after the last answer in flight."""

    _attempts: int = attrs.field(default=0, init=False)
    _since: float = attrs.field(factory=time.monotonic, init=False)

    def is_over(self, error: Exception) -> bool:
        """Count an attempt that failed with this error, and return whether it was the last."""
        if self._attempts == 0:
            self._since = time.monotonic()
        self._attempts += 1
        seconds = UNREACHABLE_SECONDS if isinstance(error, StorageUnreachableError) else 0.0
        return self._attempts >= _ATTEMPTS and time.monotonic() - self._since >= seconds
