"""One publisher at work: a message every so often, numbered without holes, and none given up while a server is away."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import nats.errors

from src.config import Settings
from src.domain.envelope import Sendable
from src.infrastructure.errors import CallError, ConfigurationError, named
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.publisher import publish
from src.infrastructure.receiving.streams import Streams
from src.infrastructure.watching.stats import Durations, noted
from src.pubsub.periodic import PeriodicPublisher, Tick
from src.requests.nats import nats as core_nats
from src.utils.logging import logger

PASSING = (nats.errors.Error, CallError, TimeoutError, OSError)
CANCEL_LIMIT = 1.0  # seconds that a cancelled publisher has to clean up


@dataclass(slots=True)
class PublisherStats:
    """The counts of one publisher since the start of the process.

    Attributes:
        sequence: the number of the latest message that was published.
        failed: messages that could not be made, or not be sent as they were.
        repeated: attempts to publish that ended without a confirmation.
        durations: from the first attempt to publish until the confirmation.
        last_published_at: ISO 8601, in UTC.
        last_error: the latest of what failed.
    """

    sequence: int = 0
    failed: int = 0
    repeated: int = 0
    durations: Durations = field(default_factory=Durations)
    last_published_at: str | None = None
    last_error: dict[str, Any] | None = None


class PeriodicRunner:
    """Asks a publisher for a message every so often, and publishes it.

    Args:
        publisher: what makes the messages.
        nats: the worker's connection.
        streams: finds or makes the stream.
        settings: the service's settings.
    """

    PAUSE = (0.25, 2.0)  # seconds between attempts to publish the same message: the first, and the longest

    def __init__(self, publisher: PeriodicPublisher, nats: NatsClient, streams: Streams, settings: Settings) -> None:
        self.publisher = publisher
        self.every = publisher.every or settings.PUBLISH_INTERVAL
        self.stats = PublisherStats()
        self.trouble = "" if publisher.core else "looking for the stream"
        self.busy = False  # making a message, or waiting for its confirmation
        self._nats = nats
        self._streams = streams
        self._settings = settings
        self._stopping = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Publishes until `stop` is called; what was missed while a server was away is not made up for.

        Raises:
            ConfigurationError: no stream takes the subject, and none may be made.
        """
        self._running = asyncio.current_task()
        clock = asyncio.get_running_loop().time
        if not await self._provided():
            return
        due = clock()
        while not self._stopping.is_set():
            self.busy = True
            await self._turn()
            self.busy = False
            due = max(due + self.every, clock())
            await self._stopped_within(due - clock())

    async def stop(self, limit: float, hurry: asyncio.Future[None] | None) -> None:
        """Makes no more messages; what is on its way is confirmed within `limit` seconds or until `hurry` is done."""
        self._stopping.set()
        if self._running is None or self._running.done():
            return
        events: list[asyncio.Future[Any]] = [self._running, hurry] if hurry else [self._running]
        limit = limit if self._nats.connected else min(limit, CANCEL_LIMIT)  # there is nobody to confirm it
        await asyncio.wait(events, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        if not self._running.done():
            logger.warning("the publisher did not finish in time", publisher=self.publisher.name)
            self._running.cancel()
            await asyncio.wait([self._running], timeout=CANCEL_LIMIT)

    async def _provided(self) -> bool:
        """Whether the stream is there; it is waited for until the end."""
        if self.publisher.core or self._settings.STREAM_MODE == "off":
            self.trouble = ""
            return True
        while not self._stopping.is_set():
            try:
                await self._streams.holding(self.publisher)
            except PASSING as error:
                logger.warning("waiting for JetStream", publisher=self.publisher.name, error=named(error))
                await self._stopped_within(self.PAUSE[1])
            else:
                self.trouble = ""
                return True
        return False

    async def _turn(self) -> None:
        """Makes one message, and publishes it; what cannot be made leaves its number to the next."""
        tick = Tick(self.stats.sequence + 1, self.publisher.subject)
        try:
            made = await (self.publisher.function(tick) if self.publisher.takes_tick else self.publisher.function())
        except Exception as error:
            self._failed(error)
            return
        if made is None:
            return
        own = made.identity() if isinstance(made, Sendable) else ""
        identity = own or f"{self._settings.HOSTNAME}-{tick.sequence}-{uuid4().hex[:8]}"
        started = time.perf_counter()
        if await self._published(made, identity):
            self.stats.sequence = tick.sequence
            self.stats.durations.add(time.perf_counter() - started)
            self.stats.last_published_at = datetime.now(UTC).isoformat(timespec="milliseconds")
            logger.info("message published", subject=tick.subject, message_id=identity, sequence=tick.sequence)

    async def _published(self, made: Any, identity: str) -> bool:
        """Whether it was published: it is tried until that is confirmed, or the publisher stops.

        Raises:
            ConfigurationError: no stream takes the subject any more, and none may be made.
        """
        pause, longest = self.PAUSE
        while True:
            try:
                await self._send(made, identity)
            except PASSING as error:
                self.stats.repeated += 1
                if not self.trouble:  # once, not for each attempt
                    logger.warning("not published yet", publisher=self.publisher.name, error=named(error))
                self.trouble = named(error)
            except ConfigurationError:
                raise
            except Exception as error:  # it cannot be sent as it is, now or later
                self._failed(error)
                return False
            else:
                self.trouble = ""
                return True
            if await self._stopped_within(pause):
                return False
            pause = min(2 * pause, longest)

    async def _send(self, made: Any, identity: str) -> None:
        subject = self.publisher.subject
        if self.publisher.core:
            await core_nats.publish(subject, made, {"Nats-Msg-Id": identity}, flush=True)
            return
        if self.trouble and self._settings.STREAM_MODE == "create":  # the stream may have gone with the server
            await self._streams.holding(self.publisher)
        await publish(subject, made, message_id=identity)

    def _failed(self, error: Exception) -> None:
        self.stats.failed += 1
        self.stats.last_error = noted(error)
        logger.error("publisher failed", publisher=self.publisher.name, error=named(error), exc_info=error)

    async def _stopped_within(self, limit: float) -> bool:
        """Waits for so many seconds, or the end; whether it is the end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._stopping.wait()
        return self._stopping.is_set()
