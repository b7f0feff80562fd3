"""The port for a rate that several processes share, of requests or tokens of a model."""

from collections.abc import Callable
from typing import Protocol


class RateLimiter(Protocol):
    """At most so many units in any minute. Any thread may use it."""

    def take(self, amount: float) -> float:
        """Take an amount now and return 0, or return the number of seconds after which to retry.

        Raises:
            OSError: The storage refused.
        """
        ...

    def charge(self, amount: float) -> None:
        """Take an additional amount that was used; give it back if it is negative.

        Raises:
            OSError: The storage refused.
        """
        ...


OpenRate = Callable[[str, float], RateLimiter]
"""Opens the rate of a name, with its units a minute."""
