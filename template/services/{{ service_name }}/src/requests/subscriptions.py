"""A core NATS subscription that outlives the connection: it is renewed on every new one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from src.infrastructure.errors import describe
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.nats_internals import subscribe, succeeds, unsubscribe
from src.utils.logging import logger

CONFIRM_LIMIT = 5.0  # seconds that the server has to confirm a subscription
END_LIMIT = 2.0  # seconds that the server has to confirm the end of a subscription
RETRY = 1.0  # seconds between attempts to subscribe


class CoreSubscription:
    """One subject, received on the current connection.

    Args:
        nats: the service's connection.
        subject: the subject to subscribe to; `*` and a final `>` are wildcards.
        receive: called with each message; must return at once.
        queue: the queue group; one of its members gets each message; empty for none.
    """

    def __init__(self, nats: NatsClient, subject: str, receive: Callable[[Msg], None], queue: str = "") -> None:
        self.nats = nats
        self.subject = subject
        self.queue = queue
        self._receive = receive
        self._subscription: Subscription | None = None
        self._client: Client | None = None  # on which it is subscribed
        self._confirmed: Client | None = None
        self._end = asyncio.Event()
        self._renewal: asyncio.Task[None] | None = None

    @property
    def trouble(self) -> str:
        """Return why no messages are received; empty while they are."""
        return "" if self._confirmed is self.nats.client else f"not subscribed to {self.subject} yet"

    async def run(self) -> None:
        """Stay subscribed until `end` is called."""
        await self.start()
        await self._end.wait()

    async def start(self) -> None:
        """Subscribe now if there is a connection, and on every later one until `end` is called."""
        self.nats.listeners.add(self._renew)
        await self._subscribe()

    async def end(self) -> None:
        """Unsubscribe, and return when everything that the server has sent has been received."""
        self._end.set()
        self.nats.listeners.discard(self._renew)
        subscription, self._subscription = self._subscription, None
        if subscription is None or self._client is not self.nats.client or not self.nats.connected:
            return
        if not await succeeds(unsubscribe(subscription), END_LIMIT):
            logger.warning("the server did not confirm the end of a subscription", subject=self.subject)

    def _renew(self) -> None:
        self._renewal = asyncio.create_task(self._subscribe())

    async def _subscribe(self) -> None:
        client = self.nats.client
        while self.nats.connected and client is self.nats.client and not self._end.is_set():
            try:
                if self._client is not client:
                    self._client = client
                    self._subscription = await subscribe(client, self.subject, self._receive, self.queue)
                if await self.nats.flushed(CONFIRM_LIMIT):
                    self._confirmed = client
                    break
            except nats.errors.Error as error:  # the connection is lost again
                logger.warning("not subscribed", subject=self.subject, error=describe(error))
            await asyncio.sleep(RETRY)
        if self._end.is_set() and self._subscription:  # meanwhile
            await self.end()
