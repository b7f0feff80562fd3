"""Processes that share limits through a data root, one of which is killed."""

import threading
import time

import pytest

from calls import PATIENCE
from daydreaming_dagster.bootstrap import open_data_root
from daydreaming_dagster.domain.generation.ledger import Limits
from daydreaming_dagster.limits_bootstrap import open_ledger
from endpoint import Endpoint, serving

CALLS = 120
PER_MINUTE = 1200
WORKERS = 3
AT_ONCE = 2
LATE_SECONDS = 1.5
"""How long after its time a unit may be taken: a slot in a bucket is a second, and half of one."""
ANSWER = {
    "id": "a",
    "object": "chat.completion",
    "created": 1,
    "model": "m-1",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "So."}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


@pytest.fixture(params=["folder", "bucket"])
def location(request, tmp_path):
    return str(tmp_path) if request.param == "folder" else request.getfixturevalue("s3_url")


def test_processes_keep_the_limits_of_a_run_together_though_one_is_killed(
    start, location, tmp_path
):
    arrived, all_ask = [], threading.Event()

    def answer(handler):
        arrived.append(time.monotonic())
        all_ask.wait(PATIENCE)
        handler.reply(200, ANSWER)

    root = open_data_root(location)
    ledger = open_ledger(root, "run")
    ledger.begin(Limits(max_calls=CALLS), WORKERS)
    with serving(Endpoint(answer)) as endpoint:
        environment = {
            "OPENAI_BASE_URL": endpoint.url,
            "OPENAI_API_KEY": "none",
            "XDG_STATE_HOME": str(tmp_path / "state"),
        }
        killed, *others = [
            start("ask_within_limits", location, "run", PER_MINUTE, AT_ONCE, **environment)
            for _ in range(WORKERS)
        ]
        while sum(account.allotted.calls > 0 for account in ledger.read()[1].accounts) < WORKERS:
            time.sleep(0.01)
        all_ask.set()
        while len(arrived) < CALLS // 4:
            time.sleep(0.01)
        killed.process.kill()
        killed.process.wait()
        ended = [result() for result in others]

    # The killed one leaves at most its block, which is a part of what was left.
    assert CALLS - CALLS // WORKERS <= len(arrived) <= CALLS
    assert {reason for _, reason in ended} == {f"the limit of {CALLS} model calls is reached"}
    for first in range(len(arrived)):
        for last in range(first, len(arrived)):
            seconds = arrived[last] - arrived[first]
            taken = PER_MINUTE / 60 * (seconds + LATE_SECONDS)
            # The way to the endpoint takes time, of as many calls as may be on it at once.
            assert last - first <= taken + AT_ONCE * WORKERS
    assert sum(calls for calls, _ in ended) <= len(arrived)
    ledger.remove()
