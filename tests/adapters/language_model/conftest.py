"""A clock that a test moves."""

import attrs
import pytest


@attrs.define
class Clock:
    """Seconds that pass when the test says so."""

    now: float = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()
