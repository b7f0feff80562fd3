"""Consuming an async iterator from code that is not async."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import aclosing
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

_T = TypeVar("_T")
_END: Final = object()
_TOGETHER_SECONDS: Final = 0.5

# For what waits for a disk. More of them take the interpreter's lock from each other: with as many
# as asyncio has by default, a run takes a fifth more CPU time. Two store 30 generations a second
# on a disk that takes 10 ms to confirm a write.
_THREADS: Final = 2


def iterate_in_thread(start: Callable[[], AsyncGenerator[_T, None]]) -> Iterator[list[_T]]:
    """Yield the items of `start()`, whose event loop runs in a thread of its own.

    So the loop goes on while the consumer is busy. Items that come within `_TOGETHER_SECONDS`,
    or while the consumer is busy, are yielded together. Ending the iteration early cancels the
    iterator, and waits for what it does before it ends. An interrupt in a wait, for an item or
    for that end, cancels all tasks of the loop. An exception of the iterator is raised here.
    """
    items: SimpleQueue[_T | object] = SimpleQueue()

    async def drain() -> None:
        async with aclosing(start()) as source:
            async for item in source:
                items.put(item)

    with asyncio.Runner() as runner, ThreadPoolExecutor(max_workers=1) as thread:
        loop = runner.get_loop()
        loop.set_default_executor(ThreadPoolExecutor(_THREADS))
        task = loop.create_task(drain())

        def cancel_all() -> None:
            if not task.done():
                for unfinished in asyncio.all_tasks(loop):
                    unfinished.cancel()

        drained = thread.submit(loop.run_until_complete, task)
        drained.add_done_callback(lambda _: items.put(_END))
        try:
            ended = False
            while not ended:
                arrived = _take(items)
                if ended := arrived[-1] is _END:
                    arrived.pop()
                if arrived:
                    yield arrived  # type: ignore[misc]  # all but _END are _T
        except GeneratorExit:
            loop.call_soon_threadsafe(task.cancel)
            wait([drained])
            raise
        finally:
            loop.call_soon_threadsafe(cancel_all)
        drained.result()


def _take(items: SimpleQueue[_T | object]) -> list[_T | object]:
    """Return the next item with those that follow it soon; `_END` is the last of all."""
    taken = [items.get()]
    until = time.monotonic() + _TOGETHER_SECONDS
    while taken[-1] is not _END:
        try:
            taken.append(items.get(timeout=max(0.0, until - time.monotonic())))
        except Empty:
            break
    return taken
