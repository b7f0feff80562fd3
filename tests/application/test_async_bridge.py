"""Async iteration from code that is not async."""

import asyncio
import signal
import subprocess
import sys
import threading
from itertools import chain

import pytest

from calls import PATIENCE
from daydreaming_dagster.application.async_bridge import iterate_in_thread


def arrived(batches):
    """Return the first batch with an item: none may arrive for a while."""
    return next(batch for batch in batches if batch)


def test_items_come_in_order():
    async def numbers():
        for number in range(3):
            await asyncio.sleep(0)
            yield number

    assert list(chain.from_iterable(iterate_in_thread(numbers))) == [0, 1, 2]


def test_an_item_does_not_wait_for_the_next():
    taken = threading.Event()

    async def numbers():
        yield 1
        assert await asyncio.to_thread(taken.wait, 60)
        yield 2

    items = iterate_in_thread(numbers)

    assert arrived(items) == [1]
    taken.set()
    assert arrived(items) == [2]


def test_the_loop_goes_on_while_the_consumer_is_busy():
    taken, far = threading.Event(), threading.Event()

    async def numbers():
        yield 1
        await asyncio.to_thread(taken.wait, 60)
        yield 2
        yield 3
        far.set()

    items = iterate_in_thread(numbers)
    arrived(items)
    taken.set()

    assert far.wait(60)
    assert [*filter(None, items)] == [[2, 3]]  # what came meanwhile comes together


def test_an_exception_comes_after_the_items_before_it():
    async def numbers():
        yield 1
        raise ValueError("two")

    items = iterate_in_thread(numbers)

    assert arrived(items) == [1]
    with pytest.raises(ValueError, match="two"):
        arrived(items)


def test_leaving_early_cancels_and_cleans_up():
    cleaned = []

    async def numbers():
        try:
            yield 1
            await asyncio.sleep(60)
            yield 2
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    items = iterate_in_thread(numbers)
    arrived(items)
    items.close()

    assert cleaned == [True]


def one_item_beside(work):
    """Take an item of an iterator that waits, when it is left, for the work that it began."""

    async def numbers():
        working = asyncio.create_task(work())
        try:
            yield 1
            await asyncio.sleep(60)
        finally:
            await asyncio.wait([working])

    items = iterate_in_thread(numbers)
    arrived(items)
    return items


def test_leaving_early_waits_for_what_the_iterator_finishes():
    finished = []

    async def work():
        await asyncio.sleep(0.05)
        finished.append(True)

    items = one_item_beside(work)
    items.close()

    assert finished == [True]


@pytest.mark.parametrize("leave", [next, lambda items: items.close()], ids=["item", "end"])
def test_an_interrupt_ends_the_wait_and_all_tasks(leave):
    cancelled = []

    async def work():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    items = one_item_beside(work)
    main = threading.main_thread().ident
    interrupt = threading.Timer(0.1, signal.pthread_kill, [main, signal.SIGINT])

    def leave_until_interrupted():
        interrupt.start()
        while True:  # a late interrupt comes after an empty item
            leave(items)

    with pytest.raises(KeyboardInterrupt):
        leave_until_interrupted()

    interrupt.join()
    assert cancelled == [True]


def test_blocking_work_gets_the_threads_that_it_asks_for():
    together = threading.Barrier(3, timeout=60)

    async def numbers():
        waits = (asyncio.to_thread(together.wait) for _ in range(3))
        yield len(set(await asyncio.gather(*waits)))

    assert list(chain.from_iterable(iterate_in_thread(numbers, threads=3))) == [3]


INTERRUPTED_AT_EACH_LINE = """
import asyncio, itertools, sys
from daydreaming_dagster.application import async_bridge as threads

threads._TOGETHER_SECONDS = 0.02

async def numbers():
    yield 1
    await asyncio.sleep(0.05)
    yield 2

def interrupt_at(line):
    lines = itertools.count()

    def trace(frame, event, argument):
        if event == "line" and next(lines) == line:
            sys.settrace(None)
            raise KeyboardInterrupt
        return trace

    return trace

for line in itertools.count():
    items = threads.iterate_in_thread(numbers)
    while not next(items):
        pass
    sys.settrace(interrupt_at(line))
    try:  # it waits for the second number, and so more than once
        while not next(items):
            pass
    except KeyboardInterrupt:
        continue
    sys.settrace(None)
    items.close()
    print(line, "lines")
    break
"""


def test_an_interrupt_at_any_moment_of_a_wait_ends_it():
    ran = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_AT_EACH_LINE],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout.split()[0]) > 1
