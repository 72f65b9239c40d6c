"""Listeners: each calls a coroutine with every message of a subject, one by one."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import Awaitable, Callable

from nats.aio.msg import Msg

from src.domain.events import current
from src.infrastructure.errors import describe, is_cancelled
from src.infrastructure.nats_client import NatsClient, until
from src.requests.request import Context
from src.requests.subscriptions import CoreSubscription
from src.utils.logging import logger

Callback = Callable[[Context], Awaitable[object]]

# Limits of the messages that wait for one listener; further ones are dropped, as the server would do.
MAX_WAITING = 65_536  # messages
MAX_BYTES = 16 * 1024 * 1024


class Listener:
    """One coroutine that receives the messages of a subject.

    Args:
        nats: the service's connection.
        subject: the subject to subscribe to; `*` and a final `>` are wildcards.
        callback: the coroutine function.
        queue: the queue group; one of its listeners gets each message; empty for none.

    Attributes:
        received: number of messages that arrived.
        dropped: number of those that were dropped because too many waited.
    """

    def __init__(self, nats: NatsClient, subject: str, callback: Callback, queue: str = "") -> None:
        self.subscription = CoreSubscription(nats, subject, self.receive, queue)
        self.received = 0
        self.dropped = 0
        self._callback = callback
        self._call = nats.observed(self._handle, kind="process", destination=subject, group=queue)
        self._waiting: deque[Msg] = deque()
        self._bytes = 0
        self._dropping = False
        self._ended = False
        self._task: asyncio.Task[None] | None = None

    @property
    def in_flight(self) -> int:
        """Return the number of messages that have arrived and not started."""
        return len(self._waiting)

    def receive(self, raw: Msg) -> None:
        """Queue a message, and start processing the queue."""
        if self._ended:
            return
        self.received += 1
        if len(self._waiting) >= MAX_WAITING or self._bytes + len(raw.data) > MAX_BYTES:
            self.dropped += 1
            if not self._dropping:  # logged once, not for each message
                logger.warning("dropping messages: the listener is too slow", subject=self.subscription.subject)
            self._dropping = True
            return
        self._dropping = False
        self._bytes += len(raw.data)
        self._waiting.append(raw)
        if self._task is None or self._task.done():
            # in an empty context: the message does not follow from the one being handled now
            self._task = asyncio.create_task(self._work(), context=contextvars.Context())

    async def end(self) -> None:
        """Unsubscribe, and drop messages that have not started; a running call continues."""
        self._ended = True
        self._waiting.clear()
        await self.subscription.end()

    async def stop(self, limit: float, hurry: asyncio.Future[None] | None = None) -> None:
        """Unsubscribe, and handle the messages sent so far within `limit` seconds or until `hurry` is done."""
        await self.subscription.end()
        self._ended = True
        if self._task:
            await until(self._task.done, time.monotonic() + limit, hurry)
            self._task.cancel()

    async def _work(self) -> None:
        while self._waiting:
            raw = self._waiting.popleft()
            self._bytes -= len(raw.data)
            await self._call(Context(raw))

    async def _handle(self, context: Context) -> None:
        current.set(context)
        try:
            await self._callback(context)
        except (Exception, asyncio.CancelledError, SystemExit) as error:
            if isinstance(error, asyncio.CancelledError) and is_cancelled():
                raise
            context.error = error
            logger.error("listener failed", error=describe(error), exc_info=error)
