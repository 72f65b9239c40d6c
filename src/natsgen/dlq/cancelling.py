"""Cancel asyncio tasks for certain."""

from __future__ import annotations

import asyncio
from typing import Any

AGAIN_AFTER = 2.0  # seconds


async def cancel(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it has ended, whatever its result.

    A cancellation can be lost: `asyncio.wait_for` of Python 3.11 returns its result instead if both come at once.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=AGAIN_AFTER)
