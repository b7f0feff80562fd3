"""Consuming an async iterator from code that is not async."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

_T = TypeVar("_T")
_TOGETHER_SECONDS: Final = 0.5

# For what waits for a disk. More of them take the interpreter's lock from each other: with as many
# as asyncio has by default, a run takes a fifth more CPU time. Two store 40 generations a second
# on a disk that takes 10 ms to confirm a write.
_THREADS: Final = 2


def iterate_in_thread(start: Callable[[], AsyncGenerator[_T, None]]) -> Iterator[list[_T]]:
    """Yield the items of `start()`, whose event loop runs in a thread of its own.

    So the loop goes on while the consumer is busy. Every `_TOGETHER_SECONDS` the items that came
    are yielded together, the last ones as soon as the iterator has ended. Ending the iteration
    early cancels the iterator, and waits for what it does before it ends. An interrupt in a wait,
    for an item or for that end, cancels all tasks of the loop. An exception of the iterator is
    raised here.
    """
    items = deque[_T]()

    async def drain() -> None:
        async with aclosing(start()) as source:
            async for item in source:
                items.append(item)

    with asyncio.Runner() as runner, ThreadPoolExecutor(max_workers=1) as thread:
        loop = runner.get_loop()
        loop.set_default_executor(ThreadPoolExecutor(_THREADS))
        task = loop.create_task(drain())

        def cancel_all() -> None:
            if not task.done():
                for unfinished in asyncio.all_tasks(loop):
                    unfinished.cancel()

        drained = thread.submit(loop.run_until_complete, task)
        # Waiting for the future itself, an interrupt could leave its lock taken for ever.
        end = SimpleQueue[object]()
        drained.add_done_callback(end.put)
        ended = False
        try:
            while not ended:
                # Not for each item: to wake a thread that sleeps costs as much as an item does.
                with suppress(Empty):
                    end.get(timeout=_TOGETHER_SECONDS)
                    ended = True
                if arrived := [items.popleft() for _ in range(len(items))]:
                    yield arrived
        except GeneratorExit:
            loop.call_soon_threadsafe(task.cancel)
            # Libraries (polars is one) let system calls restart after SIGINT: an interrupt is only
            # seen between two waits.
            while not ended:
                with suppress(Empty):
                    end.get(timeout=_TOGETHER_SECONDS)
                    ended = True
            raise
        finally:
            loop.call_soon_threadsafe(cancel_all)
        drained.result()
