"""What runs of a cohort begin with."""

import pytest


@pytest.fixture
def planned(daydream):
    assert daydream("plan", "c1").returncode == 0
