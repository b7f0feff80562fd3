"""Ending a run early."""

import asyncio
import threading
import time

import pytest

from daydreaming_dagster.domain.generation.cancellation import CancellationToken, StoppedError


def test_the_first_reason_counts():
    switch = CancellationToken()
    heard = []
    switch.subscribe(heard.append)

    switch.stop("the first")
    switch.stop("the second")

    assert switch.reason == "the first"
    assert heard == ["the first"]


async def test_sleeping_ends_with_the_time():
    started = time.monotonic()

    await CancellationToken().sleep(0.25)

    assert time.monotonic() - started >= 0.25


async def test_sleeping_ends_when_another_thread_stops_the_run():
    switch = CancellationToken()
    threading.Timer(0.05, switch.stop, ["interrupted"]).start()

    with pytest.raises(StoppedError, match="not asked: interrupted"):
        await asyncio.wait_for(switch.sleep(600), timeout=60)


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 1.0])
async def test_a_run_that_was_stopped_does_not_sleep(seconds):
    switch = CancellationToken()
    switch.stop("enough")

    with pytest.raises(StoppedError):
        await switch.sleep(seconds)


async def test_waiting_ends_with_the_event():
    event = asyncio.Event()
    asyncio.get_running_loop().call_later(0.25, event.set)
    await asyncio.wait_for(CancellationToken().wait(event), timeout=60)

    assert event.is_set()


async def test_waiting_for_an_event_ends_when_another_thread_stops_the_run():
    switch = CancellationToken()
    threading.Timer(0.05, switch.stop, ["interrupted"]).start()

    with pytest.raises(StoppedError, match="not asked: interrupted"):
        await asyncio.wait_for(switch.wait(asyncio.Event()), timeout=60)
