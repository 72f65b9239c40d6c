"""Questions to the server that anybody may cause by asking this service, and that are not to be asked each time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Seldom(Generic[Answer]):
    """The latest answer to a question that is asked once at a time, and not again while its answer is fresh.

    Args:
        ask: asks; what it raises counts as no answer.
        age: seconds that an answer is fresh.
        limit: seconds after asking for which the answer is waited for; the question goes on, for whoever comes later.
    """

    def __init__(self, ask: Callable[[], Awaitable[Answer]], age: float, limit: float) -> None:
        self._ask = ask
        self._age = age
        self._limit = limit
        self._asked = 0.0
        self._asking: asyncio.Future[Answer] | None = None

    async def get(self) -> Answer:
        """The answer.

        Raises:
            TimeoutError: there is none yet.
            Exception: what was raised instead.
        """
        now = time.monotonic()
        asking = self._asking
        if asking is None or (asking.done() and now - self._asked > self._age):
            asking = self._asking = asyncio.ensure_future(self._ask())
            asking.add_done_callback(_looked_at)
            self._asked = now
        # never cancelled: nats-py would trip over the answer that comes late
        done, _ = await asyncio.wait([asking], timeout=max(0.0, self._asked + self._limit - now))
        if not done:
            raise TimeoutError(f"no answer within {self._limit:g} s")
        return asking.result()


def _looked_at(asking: asyncio.Future[Answer]) -> None:
    """Keeps asyncio from complaining of a failure that came too late for whoever asked."""
    if not asking.cancelled():
        asking.exception()
