"""Pulls from one JetStream consumer without a pause: overlapping requests on one inbox.

nats-py offers `fetch()`, which waits for each batch to end before it asks for the next. This asks for more while half
of what was asked for is still on its way, and outlives reconnects, lost leaders and a deleted consumer.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsSubscription

from src.infrastructure.connection.nats_internals import subscribe, unsubscribe
from src.infrastructure.errors import named
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.receiving.pull_requests import PullRequests, Then
from src.utils.logging import logger

NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Consumer:
    """A JetStream consumer that exists on the server.

    Attributes:
        stream: name of its stream.
        durable: its own name.
        stream_created: when the stream was made: a stream made anew has the same name and counts from 1 again.
    """

    stream: str
    durable: str
    stream_created: datetime | None


class PullConsumer:
    """Keeps one durable's messages coming.

    Args:
        nats: the connection.
        provision: makes sure that the consumer exists and says where; called at start and when it is gone.
        receive: takes each message as it arrives.
        held: how many received messages have not been started yet.
        prefetch: how many messages are asked for ahead.
    """

    EXPIRES = 30.0  # seconds that a request waits on the server
    HEARTBEAT = 5.0  # seconds between signs of life for a waiting request; at most half of EXPIRES
    TICK = 1.0  # seconds between looks at what no event announces
    BACK_OFF = (0.1, 5.0)  # seconds, first and longest
    STOP_LIMIT = 2.0  # seconds that the server has to confirm the end of the subscription

    def __init__(
        self,
        nats: NatsClient,
        provision: Callable[[], Awaitable[Consumer]],
        receive: Callable[[Msg], None],
        held: Callable[[], int],
        prefetch: int,
    ) -> None:
        self._nats = nats
        self._provision = provision
        self._receive = receive
        self._held = held
        self._requests = PullRequests(prefetch)
        self._consumer: Consumer | None = None
        self._client: Client | None = None
        self._subscription: NatsSubscription | None = None
        self._inbox = ""
        self._connections = 0
        self._wake = asyncio.Event()
        self._last_frame = 0.0
        self._not_before = 0.0
        self._back_off = self.BACK_OFF[0]
        self._trouble = ""
        self._ended = False

    @property
    def consumer(self) -> Consumer | None:
        """What is pulled from; None while it is not known to exist."""
        return self._consumer

    @property
    def trouble(self) -> str:
        """Why no messages come, in a few words; empty while they do."""
        if not self._nats.connected:
            return "not connected to NATS"
        if self._connections != self._nats.connections:
            return "not pulling on the new connection yet"
        return self._trouble or ("" if self._consumer else "the consumer is not there yet")

    async def run(self) -> None:
        """Pulls until `stop` is called.

        Raises:
            ConfigurationError: the consumer cannot be provisioned as the subscription wants it.
        """
        self._nats.on_connection(self._wake.set)
        while not self._ended:
            try:
                await self._step()
            except (nats.errors.Error, TimeoutError, OSError) as error:
                self._troubled(named(error))
            try:
                async with asyncio.timeout(self._next_look()):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    def started_some(self) -> None:
        """Held messages have been started: there may be room to ask for more."""
        if self._requests.due(self._held()):
            self._wake.set()

    async def stop(self) -> None:
        """Ends the subscription; whatever the server had sent by then has been received when this returns.

        Messages still arrive while it waits.
        """
        self._ended = True
        self._wake.set()
        if self._subscription is None or not self._nats.connected:
            return
        # never cancelled: nats-py would trip over the answer that comes late
        ending = asyncio.ensure_future(unsubscribe(self._subscription))
        _, late = await asyncio.wait([ending], timeout=self.STOP_LIMIT)
        if late or ending.exception():
            logger.warning("could not end a subscription in time", error=str(late or ending.exception()))

    def _next_look(self) -> float:
        """Seconds until something may be due that no event announces."""
        until_retry = self._not_before - time.monotonic()
        return min(until_retry, self.TICK) if until_retry > 0 else self.TICK

    async def _step(self) -> None:
        now = time.monotonic()
        if not self._nats.connected or now < self._not_before:
            return
        if self._connections != self._nats.connections:
            await self._on_new_connection()
        if self._consumer is None:
            self._consumer = await self._provision()
            self._requests.forget()
        if self._requests.pending and now - self._last_frame > 2 * self.HEARTBEAT:
            self._requests.forget()
            self._troubled("no heartbeat from the consumer")
        if batch := self._requests.due(self._held()):
            await self._ask(self._consumer, batch)

    async def _on_new_connection(self) -> None:
        """A reconnect keeps the subscription, but the server has forgotten the requests; a new client has neither."""
        client, connections = self._nats.client, self._nats.connections
        self._requests.forget()
        if self._client is not client:
            self._inbox = client.new_inbox()
            self._subscription = await subscribe(client, f"{self._inbox}.*", self._on_frame)
            self._client = client
        self._connections = connections

    async def _ask(self, consumer: Consumer, batch: int) -> None:
        if self._ended:
            return  # what the server would send now, nobody would receive
        if not self._requests.pending:
            self._last_frame = time.monotonic()
        token = self._requests.asked(batch)
        request = {
            "batch": batch,
            "expires": int(self.EXPIRES * NANOSECONDS),
            "idle_heartbeat": int(self.HEARTBEAT * NANOSECONDS),
        }
        await self._nats.client.publish(
            f"$JS.API.CONSUMER.MSG.NEXT.{consumer.stream}.{consumer.durable}",
            json.dumps(request).encode(),
            reply=f"{self._inbox}.{token}",
        )

    def _on_frame(self, frame: Msg) -> None:
        self._last_frame = time.monotonic()
        if frame.subject.startswith(self._inbox):  # a message has the subject that it was published on
            self._on_status(frame)
            return
        self._requests.arrived()
        if self._trouble:
            self._well()
        self._receive(frame)

    def _on_status(self, frame: Msg) -> None:
        headers = frame.headers or {}
        code = headers.get("Status", "")
        description = headers.get("Description", "").split("\n")[0].strip()  # nats-py leaves further headers in it
        left = headers.get("Nats-Pending-Messages")
        then = self._requests.status(
            frame.subject.rpartition(".")[2], code, description, int(left) if left is not None else None
        )
        match then:
            case Then.IGNORE:
                return
            case Then.GO_ON:
                self._well()
            case Then.BACK_OFF | Then.MISCONFIGURED:
                # the consumer may be gone: it is provisioned again, which changes nothing when it is there
                self._consumer = None
                self._troubled(f"the server answers {code} {description}".rstrip())
            case Then.PROVISION:
                self._consumer = None
                logger.warning("the consumer was deleted: provisioning it again")
        self._wake.set()

    def _well(self) -> None:
        self._trouble = ""
        self._back_off = self.BACK_OFF[0]

    def _troubled(self, why: str) -> None:
        if why != self._trouble:
            logger.warning("not pulling", reason=why)
        self._trouble = why
        self._not_before = time.monotonic() + self._back_off
        self._back_off = min(2 * self._back_off, self.BACK_OFF[1])
