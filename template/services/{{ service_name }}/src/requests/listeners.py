"""Ad-hoc subscriptions: each has its own task, and outlives the connection that it was made on."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from src.infrastructure.connection.nats_internals import subscribe, unsubscribe
from src.infrastructure.errors import named
from src.infrastructure.handling.context import current_request
from src.infrastructure.nats_client import NatsClient
from src.requests.request import Context
from src.utils.logging import logger

Listen = Callable[[Context], Awaitable[object]]

# What one listener may have received and not begun. What comes then is dropped, as the server itself would.
MOST_WAITING = 65_536  # messages
MOST_BYTES = 64 * 1024 * 1024

STOP_LIMIT = 2.0  # seconds that the server has to confirm that it sends nothing more


class Listener:
    """One coroutine that hears every message of a subject, one after the other.

    Args:
        subject: that it listens to; `*` and a last `>` are wildcards.
        handler: what hears.
        queue: the group of listeners of which one hears each message; all hear it where it is empty.
    """

    def __init__(self, subject: str, handler: Listen, queue: str) -> None:
        self.subject = subject
        self.queue = queue
        self._handler = handler
        self._messages: asyncio.Queue[Msg | None] = asyncio.Queue()
        self.received = 0
        self.dropped = 0  # of those, because too many waited
        self._bytes = 0
        self._dropping = False
        self._ended = False
        self._client: Client | None = None
        self._subscription: Subscription | None = None
        # in a context of its own: what it hears does not follow from what is being handled right now
        self._task = asyncio.create_task(self._listen(), name=f"listen-{subject}", context=contextvars.Context())

    @property
    def waiting(self) -> int:
        """What has come and not begun."""
        return self._messages.qsize()

    async def subscribe(self, nats: NatsClient) -> None:
        """Subscribes on the connection that there is, unless that has been done or there is none."""
        client = nats.client
        if self._ended or not nats.connected or self._client is client:
            return
        self._client = client
        try:
            self._subscription = await subscribe(client, self.subject, self._receive, self.queue)
            await nats.flushed(nats.PUBLISH_TIMEOUT)
            if self._ended:  # meanwhile
                await self._leave()
        except BaseException:
            self._client = None
            raise

    async def end(self) -> None:
        """Hears nothing more, not even what has come and not begun; what has begun goes on."""
        self._finish()
        while self._messages.qsize() > 1:
            self._messages.get_nowait()
        await self._leave()

    async def drain(self, limit: float) -> None:
        """Hears what has been sent to it by now, for up to `limit` seconds, and then nothing more."""
        if self._subscription and self._client and self._client.is_connected:
            leaving = asyncio.create_task(unsubscribe(self._subscription))
            # never cancelled: nats-py would trip over the answer that comes late
            _, late = await asyncio.wait([leaving], timeout=STOP_LIMIT)
            if late or leaving.exception():
                logger.warning("could not end a subscription in time", subject=self.subject)
        self._finish()
        await asyncio.wait([self._task], timeout=limit)
        self._task.cancel()

    def _finish(self) -> None:
        """Receives no more; what has come is heard up to here."""
        self._ended = True
        self._messages.put_nowait(None)

    async def _leave(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is None or self._client is None or self._client.is_closed:
            return
        try:
            await subscription.unsubscribe()
        except nats.errors.Error as error:
            logger.warning("could not end a subscription", subject=self.subject, error=named(error))

    def _receive(self, raw: Msg) -> None:
        if self._ended:
            return
        self.received += 1
        if self._messages.qsize() < MOST_WAITING and self._bytes + len(raw.data) <= MOST_BYTES:
            self._bytes += len(raw.data)
            self._messages.put_nowait(raw)
            self._dropping = False
            return
        self.dropped += 1
        if not self._dropping:  # once, not for each
            waiting = self._messages.qsize()
            logger.warning("dropping messages: the listener is too slow", subject=self.subject, waiting=waiting)
        self._dropping = True

    async def _listen(self) -> None:
        while (raw := await self._messages.get()) is not None:
            self._bytes -= len(raw.data)
            context = Context(raw)
            current_request.set(context)
            try:
                await self._handler(context)
            except asyncio.CancelledError:
                if (task := asyncio.current_task()) and task.cancelling():
                    raise
                logger.error("listener failed: what it waited for was cancelled")
            except Exception as error:
                logger.error("listener failed", error=named(error), exc_info=error)
