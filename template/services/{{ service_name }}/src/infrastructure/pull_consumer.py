"""Pulls from one JetStream consumer without a pause: overlapping requests on one inbox.

nats-py's `fetch()` waits for each batch to end before it requests the next. This requests more while most of what was
requested is still on its way. The statuses are those of nats-server's pull consumers, see
https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-37.md
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsSubscription

from src.infrastructure.errors import describe
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.nats_internals import subscribe, succeeds, unsubscribe
from src.infrastructure.provisioning import SAFE, Consumer, consumer_info, differences_of
from src.utils.logging import logger

Provide = Callable[[], Awaitable[Consumer]]


class PullConsumer:
    """Keeps one durable's messages coming.

    Args:
        nats: the connection.
        provision: makes sure that the consumer exists, and returns it; called at start and when the consumer is gone.
        receive: takes each message as it arrives, and this consumer, which it tells when the message is started.
        prefetch: how many messages are requested ahead.

    Attributes:
        consumer: what is pulled from; None while it is not known to exist.
        paused: whether nothing is requested.
        waiting: how many messages of the stream no replica has fetched yet; see `look`.
        progress: the consumer, and the sequence up to which all replicas have settled everything; None if unknown.
    """

    EXPIRES = 30.0  # seconds that a request waits on the server
    HEARTBEAT = 5.0  # seconds between the server's signs of life for a waiting request; at most half of EXPIRES
    TICK = 1.0  # seconds between looks at what no event announces
    FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds after a failure
    STOP_LIMIT = 2.0  # seconds that the server has to confirm the end of the subscription
    MOST_BYTES = 16 * 1024 * 1024  # bytes held, above which nothing more is requested
    REQUEST_BYTES = 8 * 1024 * 1024  # bytes that one request may bring; a larger message comes alone

    def __init__(
        self, nats: NatsClient, provision: Provide, receive: Callable[[Msg, PullConsumer], None], prefetch: int
    ) -> None:
        self.consumer: Consumer | None = None
        self.paused = False
        self.waiting = 0
        self.progress: tuple[Consumer, int] | None = None
        self._nats = nats
        self._provision = provision
        self._receive = self._receive_now = receive
        self._prefetch = prefetch
        self._refill_at = prefetch * 3 // 4  # outstanding messages, at which more are requested
        # Messages requested, and neither arrived nor written off. The server serves waiting requests in turn, so one
        # number is enough. A request's token is `<number>-<batch>`; tokens below `_first_live` are forgotten.
        self._pending = 0
        self._held = self._held_bytes = 0  # messages that have arrived and not been started
        self._requests = self._first_live = 0
        self._subscription: NatsSubscription | None = None
        self._inbox = ""
        self._connections = 0
        self._wake = asyncio.Event()
        self._last_frame = 0.0
        self._not_before = 0.0
        self._pause = self.FIRST_PAUSE
        self._problem = self._on_hold = ""  # the latter: somebody has paused the consumer
        self._ended = False

    @property
    def trouble(self) -> str:
        """Return why no messages come, in a few words; empty while they do."""
        if not self._nats.connected:
            return "not connected to NATS"
        if self._connections != self._nats.connections:
            return "not pulling on the new connection yet"
        return self._problem or self._on_hold or ("" if self.consumer else "the consumer does not exist yet")

    async def run(self) -> None:
        """Pull until `stop` is called.

        Raises:
            ConfigurationError: the consumer cannot be as the subscription wants it.
        """
        self._nats.listeners.add(self._wake.set)
        while not self._ended:
            try:
                await self._step()
            except (nats.errors.Error, TimeoutError, OSError) as error:
                self._fail(describe(error))
            until_retry = max(self._not_before - time.monotonic(), 0) or self.TICK
            with suppress(TimeoutError):
                async with asyncio.timeout(min(until_retry, self.TICK)):
                    await self._wake.wait()
            self._wake.clear()

    async def look(self, consumer: Consumer) -> None:
        """Ask the server how far the consumer is, over all replicas, and whether somebody has edited it."""
        with suppress(nats.errors.Error, TimeoutError, OSError):  # the requests fail as well, and report it
            info = await consumer_info(self._nats, consumer)
            self.waiting = info["num_pending"]
            self._on_hold = "the consumer is paused" if info.get("paused") else ""
            self.progress = (consumer, info["ack_floor"]["stream_seq"])
            if differences_of(info["config"], SAFE):
                self.consumer = None  # provisioning it again undoes the edit, or ends the worker
            elif info["config"].get("filter_subject") != consumer.config.get("filter_subject"):
                self._on_hold = "the consumer has another filter"  # perhaps that of a newer version of the service
            elif self.consumer is consumer:
                self.consumer = replace(consumer, config=info["config"])

    def hold(self, size: int) -> None:
        """Count a message of `size` bytes as not started, so that it takes room."""
        self._held += 1
        self._held_bytes += size

    def started(self, size: int) -> None:
        """Count a message of `size` bytes as started, and request more if there is room."""
        self._held -= 1
        self._held_bytes -= size
        if self._pending + self._held <= self._refill_at:
            self._wake.set()

    def drop_arrivals(self) -> None:
        """Drop what still arrives over this connection."""
        self._receive_now = lambda frame, _: self.started(len(frame.data))

    async def stop(self) -> None:
        """End the subscription. Messages still arrive meanwhile; none does when this returns."""
        self._ended = True
        self._nats.listeners.discard(self._wake.set)
        self._wake.set()
        current = self._nats.connected and self._connections == self._nats.connections
        if self._subscription and current and not await succeeds(unsubscribe(self._subscription), self.STOP_LIMIT):
            logger.warning("the server did not confirm the end of a subscription")

    def _due(self) -> int:
        """Return how many messages to request now.

        Held messages count against the prefetch, so a slow handler stops the requests. Nothing is due until a quarter
        of the prefetch is used up, so that requests stay few and large.
        """
        outstanding = self._pending + self._held
        if self.paused or outstanding > self._refill_at or self._held_bytes > self.MOST_BYTES:
            return 0
        return self._prefetch - outstanding

    async def _step(self) -> None:
        now = time.monotonic()
        if not self._nats.connected or now < self._not_before:
            return
        if self._connections != self._nats.connections:
            connections, client = self._nats.connections, self._nats.client
            self._forget_requests()
            self._receive_now = self._receive
            self._inbox = client.new_inbox()
            self._subscription = await subscribe(client, f"{self._inbox}.*", self._on_frame)
            self._connections = connections
        if self.consumer is None:
            consumer = await self._provision()
            await self.look(consumer)  # before there are messages, in case somebody deletes the consumer soon
            self.consumer = consumer
            self._forget_requests()
        if self._pending and now - self._last_frame > 2 * self.HEARTBEAT:
            self._forget_requests()
            self._fail("no heartbeat from the consumer")
        if (batch := self._due()) and not self._ended:
            await self._request(self.consumer, batch)

    async def _request(self, consumer: Consumer, batch: int) -> None:
        if not self._pending:
            self._last_frame = time.monotonic()
        batch = consumer.limit("max_batch", batch)
        expires = consumer.limit("max_expires", int(self.EXPIRES * 1e9))
        token = f"{self._requests}-{batch}"
        self._requests += 1
        self._pending += batch
        request = {
            "batch": batch,
            "max_bytes": consumer.limit("max_bytes", max(self.REQUEST_BYTES, 2 * self._nats.client.max_payload)),
            "expires": expires,
            "idle_heartbeat": min(int(self.HEARTBEAT * 1e9), expires // 2),
        }
        await self._nats.client.publish(
            f"{self._nats.settings.js_api_prefix}.CONSUMER.MSG.NEXT.{consumer.stream}.{consumer.durable}",
            json.dumps(request).encode(),
            reply=f"{self._inbox}.{token}",
        )

    def _forget_requests(self) -> None:
        """Write off everything requested: the connection is new, or the consumer's leader is."""
        self._pending = 0
        self._first_live = self._requests

    def _on_frame(self, frame: Msg) -> None:
        self._last_frame = time.monotonic()
        if frame.subject.startswith(self._inbox):  # a message has the subject that it was published on
            headers = frame.headers or {}
            left = headers.get("Nats-Pending-Messages")
            description = headers.get("Description", "").split("\n")[0].strip()  # nats-py leaves more headers in it
            self._on_status(
                frame.subject.rpartition(".")[2], headers.get("Status", ""), description, int(left) if left else None
            )
            return
        if self._pending:
            self._pending -= 1
        if self._problem:
            self._recover()
        self._held += 1  # as `hold` does
        self._held_bytes += len(frame.data)
        self._receive_now(frame, self)

    def _on_status(self, token: str, code: str, description: str, left: int | None) -> None:
        """Handle a status message.

        Args:
            token: the token of the request.
            code: its `Status` header.
            description: its `Description` header.
            left: its `Nats-Pending-Messages` header: how much of the request was not served.
        """
        number, _, batch = token.partition("-")
        if int(number) < self._first_live:
            return
        about = description.lower()
        if code == "100":  # heartbeat
            self._recover()
        elif code == "409" and ("leadership change" in about or "consumer deleted" in about):
            self._forget_requests()
            self._recover()
            if "deleted" in about:
                self.consumer = None
                logger.warning("consumer deleted: provisioning it again")
        elif code == "409" and "server shutdown" in about:
            self._pending = max(self._pending - (left or 0), 0)  # the reconnect forgets everything
            return
        else:
            self._pending = max(self._pending - (int(batch) if left is None else left), 0)
            if code == "408" or (code == "409" and left is not None):  # expired, batch completed, too many bytes
                self._recover()
            else:  # the consumer may be gone: provisioning it again changes nothing if it is there
                self.consumer = None
                self._fail(f"the server answers {code} {description}".rstrip())
        self._wake.set()

    def _recover(self) -> None:
        self._problem = ""
        self._pause = self.FIRST_PAUSE

    def _fail(self, problem: str) -> None:
        if problem != self._problem:
            logger.warning("not pulling", reason=problem)
        self._problem = problem
        self._not_before = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, self.LONGEST_PAUSE)
