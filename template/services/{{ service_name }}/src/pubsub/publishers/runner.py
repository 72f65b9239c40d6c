"""Runs one publisher: its messages are numbered without gaps, and each is repeated until it is confirmed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import uuid4

import nats.errors
import prometheus_client as prometheus

from src.domain.events import Envelope
from src.infrastructure.errors import ConfigurationError, NoStream, NotConnected, describe, is_cancelled
from src.infrastructure.metrics import BUCKETS
from src.infrastructure.nats_client import NatsClient, until
from src.infrastructure.provisioning import stream_for
from src.infrastructure.publishing import Elsewhere, wire
from src.infrastructure.resources import with_resources
from src.pubsub.publishers.publisher import Publisher, Tick
from src.pubsub.publishers.settings import PublisherSettings, settings
from src.utils.logging import logger

PUBLISHED = prometheus.Counter("worker_published", "Messages sent and confirmed", ["publisher"])
FAILURES = prometheus.Counter("worker_publisher_failures", "Messages that could not be created or sent", ["publisher"])
REPEATS = prometheus.Counter("worker_publisher_repeats", "Attempts without a confirmation", ["publisher"])
SECONDS = prometheus.Histogram(
    "worker_publish_duration_seconds", "Time until a message is confirmed", ["publisher"], buckets=BUCKETS
)

TRANSIENT = (nats.errors.Error, NoStream, NotConnected, TimeoutError, OSError)
PAUSE = (0.25, 2.0)  # seconds between attempts to publish one message: the first, and the longest
CORE_LIMIT = 5.0  # seconds that the server has to confirm a core NATS message
CANCEL_LIMIT = 1.0  # seconds that a cancelled publisher has to clean up


class PublisherRunner:
    """Calls one publisher at its interval, and publishes what it returns.

    Args:
        publisher: the publisher.
        nats: the worker's connection.
        own: the settings of publishers.

    Attributes:
        in_flight: 1 while it creates a message or waits for its confirmation, else 0.
    """

    kind = "publishers"

    def __init__(self, publisher: Publisher, nats: NatsClient, own: PublisherSettings = settings) -> None:
        self.publisher = publisher
        self.in_flight = 0
        self._every = publisher.every or own.PUBLISH_INTERVAL
        self._trouble = "" if publisher.core else "looking for the stream"
        self._function = with_resources(publisher.function)
        self._nats = nats
        self._sequence = self._failed = 0
        self._last_error = ""
        self._stopping = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    @property
    def trouble(self) -> str:
        """Return why it does not publish; empty while it does."""
        return f"{self.publisher.name}: {self._trouble}" if self._trouble else ""

    def stats(self) -> list[dict[str, Any]]:
        """Return the counts, for `/stats`."""
        stats = {
            "publisher": self.publisher.name,
            "subject": self.publisher.subject,
            "mode": "core" if self.publisher.core else "stream",
            "every": self._every,
            "trouble": self._trouble,
            "sequence": self._sequence,
            "failed": self._failed,
            "last_error": self._last_error,
        }
        return [stats]

    async def run(self) -> None:
        """Publish until `stop` is called. Intervals missed while a server is down are not made up for.

        Raises:
            ConfigurationError: no stream captures the subject, and none may be created.
        """
        self._running = asyncio.current_task()
        await self._repeat(self._provide)
        due = time.monotonic()
        while not self._stopping.is_set():
            self.in_flight = 1
            await self._publish_next()
            self.in_flight = 0
            due = max(due + self._every, time.monotonic())
            await self._stopped_within(due - time.monotonic())

    async def stop(self, limit: float, hurry: asyncio.Future[None] | None = None) -> None:
        """Create no more messages, and wait for the current one's confirmation for `limit` seconds or until `hurry`."""
        self._stopping.set()
        if self._running is None or self._running.done():
            return
        limit = limit if self._nats.connected else min(limit, CANCEL_LIMIT)  # nobody can confirm it
        await until(self._running.done, time.monotonic() + limit, hurry)
        if not self._running.done():
            logger.warning("the publisher did not finish in time", publisher=self.publisher.name)
            self._running.cancel()
            await asyncio.wait([self._running], timeout=CANCEL_LIMIT)

    async def _publish_next(self) -> None:
        """Create one message and publish it. If either fails, the next message gets its number."""
        publisher = self.publisher
        tick = Tick(self._sequence + 1, publisher.subject)
        try:
            made = await (self._function(tick) if publisher.takes_tick else self._function())
            if made is None:
                return
            own = made.identity() if isinstance(made, Envelope) else ""
            identity = own or f"{self._nats.settings.HOSTNAME}-{tick.sequence}-{uuid4().hex[:8]}"
            with SECONDS.labels(publisher.name).time():
                if not await self._repeat(partial(self._send, made, identity)):
                    return
        except ConfigurationError:
            raise
        except (Exception, asyncio.CancelledError, SystemExit) as error:
            if isinstance(error, asyncio.CancelledError) and is_cancelled():
                raise
            self._failed += 1
            self._last_error = describe(error)
            FAILURES.labels(publisher.name).inc()
            logger.error("publisher failed", publisher=publisher.name, error=describe(error), exc_info=error)
            return
        self._sequence = tick.sequence
        PUBLISHED.labels(publisher.name).inc()
        logger.info("message published", subject=tick.subject, message_id=identity, sequence=tick.sequence)

    async def _repeat(self, step: Callable[[], Awaitable[object]]) -> bool:
        """Repeat a step until it succeeds; return False if the publisher stops before that."""
        pause, longest = PAUSE
        logged = False
        while True:
            try:
                await step()
            except TRANSIENT as error:
                if not logged:  # once, not for each attempt
                    logger.warning("waiting to publish", publisher=self.publisher.name, error=describe(error))
                logged, self._trouble = True, describe(error)
                REPEATS.labels(self.publisher.name).inc()
            else:
                self._trouble = ""
                return True
            if await self._stopped_within(pause):
                return False
            pause = min(2 * pause, longest)

    async def _provide(self) -> None:
        if not self.publisher.core and self._nats.settings.STREAM_MODE != "off":
            await stream_for(self._nats, self.publisher.subject, self.publisher.stream)

    async def _send(self, made: Any, identity: str) -> None:
        subject = self.publisher.subject
        if not self.publisher.core:
            if self._trouble and self._nats.settings.STREAM_MODE == "create":  # the stream may be gone with the server
                await self._provide()
            await Elsewhere(self._nats).publish(subject, made, message_id=identity)
            return
        if not self._nats.connected:
            raise NotConnected(f"{subject}: not connected to NATS")
        data, own = wire(made)
        headers = {"Nats-Msg-Id": identity, **own}
        self._nats.check_size(subject, data, headers)
        await self._nats.observed(self._nats.client.publish, kind="producer")(subject, data, headers=headers)
        if not await self._nats.flushed(CORE_LIMIT):
            raise TimeoutError(f"{subject}: the server did not confirm the message within {CORE_LIMIT:g} s")

    async def _stopped_within(self, limit: float) -> bool:
        """Wait for `limit` seconds or the stop; return whether it is the stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._stopping.wait()
        return self._stopping.is_set()
