"""Waiting for a condition, with a limit, inside the loop that publishes meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import nats.errors

from natsgen.harness.errors import WaitTimeout

EVERY = 0.02  # seconds between looks
PATIENCE = 30.0  # seconds for which the harness itself asks again

Answer = TypeVar("Answer")


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


async def patiently(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """What `ask` gives, which may be called again: a cluster has no leader for a while, before a fault and after it.

    Raises what NATS raises when it goes on for `PATIENCE`.
    """
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        try:
            return await ask()
        except (nats.errors.Error, TimeoutError):
            if asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(EVERY)
