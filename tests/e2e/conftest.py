"""What runs of a cohort begin with."""

import pytest

from dreaming import answer, make_loop


@pytest.fixture
def planned(daydream):
    assert daydream("plan", "c1").returncode == 0


@pytest.fixture
def loop(data_root, chat_endpoint):
    """The folder of the loop l, in a data root with six concepts."""
    chat_endpoint.answer = answer
    return make_loop(data_root)
