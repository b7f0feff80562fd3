"""Calls that may wait for a device."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar, TypeVarTuple

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


async def in_thread(function: Callable[[*_Ts], _T], *arguments: *_Ts) -> _T:
    """Call a function that may wait for a device, without blocking other generations.

    It runs to completion even if the run is cancelled, so that an answer is stored and its claim
    released.
    """
    # Not a task: when a loop ends, it cancels its tasks but waits for its threads.
    call = asyncio.get_running_loop().run_in_executor(None, function, *arguments)
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        while not call.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([call])
        raise
