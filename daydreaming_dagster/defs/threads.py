"""Consuming an async iterator from code that is not async."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from queue import SimpleQueue
from typing import Final, TypeVar

_T = TypeVar("_T")
_END: Final = object()


def iterate_in_thread(start: Callable[[], AsyncGenerator[_T, None]]) -> Iterator[_T]:
    """Yield the items of `start()`, whose event loop runs in a thread of its own.

    So the loop goes on while the consumer is busy. Ending the iteration early cancels what is
    under way and waits for it. An exception of the iterator is raised here.
    """
    items: SimpleQueue[_T | object] = SimpleQueue()

    async def drain() -> None:
        async with aclosing(start()) as source:
            async for item in source:
                items.put(item)

    with asyncio.Runner() as runner, ThreadPoolExecutor(max_workers=1) as thread:
        loop = runner.get_loop()
        task = loop.create_task(drain())
        drained = thread.submit(loop.run_until_complete, task)
        drained.add_done_callback(lambda _: items.put(_END))
        try:
            while (item := items.get()) is not _END:
                yield item  # type: ignore[misc]  # all but _END are _T
        finally:
            loop.call_soon_threadsafe(task.cancel)
        drained.result()
