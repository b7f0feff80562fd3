"""Lets synchronous code consume an async iterator."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

_T = TypeVar("_T")
_TOGETHER_SECONDS: Final = 0.5

DISK_THREADS: Final = 2
"""Threads for work that waits for a disk.

More threads compete for the interpreter's lock: with asyncio's default number, a run takes a fifth
more CPU time. Two threads store 40 generations per second on a disk that takes 10 ms to confirm a
write.
"""


def iterate_in_thread(
    start: Callable[[], AsyncGenerator[_T, None]],
    *,
    threads: int = DISK_THREADS,
) -> Iterator[list[_T]]:
    """Yield the items of `start()`, whose event loop runs in a thread of its own.

    The loop continues while the consumer is busy. The items that arrived are yielded together every
    `_TOGETHER_SECONDS`, and the last ones as soon as the iterator ends. If none arrived, an empty
    list is yielded, so that the consumer can see to other things. Blocking work of the iterator
    gets so many `threads`. If the consumer stops early, the iterator is cancelled, and this waits
    until it has ended. An interrupt during a wait cancels all tasks of the loop. An exception of
    the iterator is raised here.
    """
    items = deque[_T]()

    async def drain() -> None:
        async with aclosing(start()) as source:
            async for item in source:
                items.append(item)

    with asyncio.Runner() as runner, ThreadPoolExecutor(max_workers=1) as thread:
        loop = runner.get_loop()
        loop.set_default_executor(ThreadPoolExecutor(threads))
        task = loop.create_task(drain())

        def cancel_all() -> None:
            if not task.done():
                for unfinished in asyncio.all_tasks(loop):
                    unfinished.cancel()

        drained = thread.submit(loop.run_until_complete, task)
        # An interrupt while waiting for the future itself could leave its lock taken forever.
        end = SimpleQueue[object]()
        drained.add_done_callback(end.put)
        ended = False
        try:
            while not ended:
                # Not for each item, because waking a thread costs as much as an item.
                with suppress(Empty):
                    end.get(timeout=_TOGETHER_SECONDS)
                    ended = True
                yield [items.popleft() for _ in range(len(items))]
        except GeneratorExit:
            loop.call_soon_threadsafe(task.cancel)
            # Some libraries, such as polars, let system calls restart after SIGINT, so an interrupt
            # is noticed only between two waits.
            while not ended:
                with suppress(Empty):
                    end.get(timeout=_TOGETHER_SECONDS)
                    ended = True
            raise
        finally:
            loop.call_soon_threadsafe(cancel_all)
        drained.result()
