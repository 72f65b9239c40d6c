"""Wait for asyncio tasks, and end them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from natsgen.dlq.cancelling import cancel

T = TypeVar("T")


async def ended(*tasks: asyncio.Task[None]) -> None:
    """Wait until tasks have ended, and raise what one of them failed with."""
    for error in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(error, Exception):
            raise error


async def cancelled(task: asyncio.Task[None]) -> None:
    """Cancel a task, wait until it has ended, and raise what it failed with."""
    await cancel(task)
    await ended(task)


async def unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """Return the result of `work`; None if `stop` comes first, which cancels it."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        return working.result()
    await cancel(working)
    return None
