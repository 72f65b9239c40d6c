"""Waiting for a condition, with a limit, inside the loop that publishes meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import nats.errors

from natsgen.harness.errors import WaitTimeout

EVERY = 0.02  # seconds between looks


async def until(condition: Callable[[], Awaitable[object] | object], *, limit: float, what: str) -> None:
    """Returns when `condition` (which may be a coroutine function) gives something truthy.

    Raises `WaitTimeout` after `limit` seconds. What NATS raises counts as "not yet".
    """
    deadline = asyncio.get_running_loop().time() + limit
    while True:
        seen: object = None
        try:
            seen = condition()
            if isinstance(seen, Awaitable):
                seen = await seen
        except (nats.errors.Error, TimeoutError, OSError) as error:
            seen, failed = f"{type(error).__name__}: {error}", True
        else:
            failed = False
        if seen and not failed:
            return
        if asyncio.get_running_loop().time() > deadline:
            raise WaitTimeout(f"waited {limit:g} s for {what}, in vain; last seen: {seen!r}")
        await asyncio.sleep(EVERY)
