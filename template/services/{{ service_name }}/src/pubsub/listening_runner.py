"""One subscriber at work: each message read as it asks, how old it is noted, and no error the end of it."""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from nats.aio.client import Client

from src.config import Settings
from src.domain.envelope import Envelope
from src.infrastructure.errors import named
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.watching.stats import Durations, noted
from src.pubsub.listening import CoreSubscriber
from src.requests.listeners import Listener
from src.requests.request import Context
from src.utils.logging import logger

RECENT = 1_000  # latencies that percentiles are taken of


class Latencies:
    """How old messages were when their turn came, by what their envelopes say: the clocks of two machines."""

    def __init__(self) -> None:
        self.durations = Durations()
        self._recent: deque[float] = deque(maxlen=RECENT)

    def add(self, seconds: float) -> None:
        """Notes one."""
        self.durations.add(seconds)
        self._recent.append(seconds)

    def summary(self) -> dict[str, Any]:
        """How many there were, and of the latest of them what half, and 99 in 100, were below; in seconds."""
        ordered = sorted(self._recent)
        half, most = (_percentile(ordered, share) for share in (0.5, 0.99))
        return {"count": sum(self.durations.counts), "p50": half, "p99": most}


@dataclass(slots=True)
class SubscriberStats:
    """The counts of one subscriber since the start of the process.

    Attributes:
        heard: messages whose function returned.
        invalid: messages that are not what the function takes.
        failed: messages whose function raised.
        durations: how long the function took.
        latencies: how old the messages were, as far as they say it.
        last_error: the latest of what failed.
    """

    heard: int = 0
    invalid: int = 0
    failed: int = 0
    durations: Durations = field(default_factory=Durations)
    latencies: Latencies = field(default_factory=Latencies)
    last_error: dict[str, Any] | None = None


class CoreRunner:
    """Has one subscriber hear its messages, one after the other.

    Args:
        subscriber: what hears.
        nats: the worker's connection.
        settings: the service's settings.
    """

    def __init__(self, subscriber: CoreSubscriber, nats: NatsClient, settings: Settings) -> None:
        self.subscriber = subscriber
        self.queue = settings.QUEUE_GROUP if subscriber.queue is None else subscriber.queue
        self.stats = SubscriberStats()
        self._decode, self._read = subscriber.signature.decode, subscriber.signature.read
        self._nats = nats
        self._listener: Listener | None = None
        self._subscribed_on: Client | None = None

    @property
    def listening(self) -> bool:
        """Whether the server knows of it, on the connection that there is."""
        return self._subscribed_on is self._nats.client

    @property
    def received(self) -> int:
        """Messages that have come."""
        return self._listener.received if self._listener else 0

    @property
    def dropped(self) -> int:
        """Messages that have come while too many waited."""
        return self._listener.dropped if self._listener else 0

    @property
    def waiting(self) -> int:
        """Messages that have come and not begun."""
        return self._listener.waiting if self._listener else 0

    async def subscribe(self) -> None:
        """Subscribes on the connection that there is.

        Raises:
            nats.errors.Error: it is gone again.
        """
        client = self._nats.client
        if self._listener is None:
            self._listener = Listener(self.subscriber.subject, self._hear, self.queue)
        await self._listener.subscribe(self._nats)
        self._subscribed_on = client

    async def stop(self, limit: float) -> None:
        """Hears what has come, within `limit` seconds, and then nothing more."""
        if self._listener:
            await self._listener.drain(limit)

    async def _hear(self, context: Context) -> None:
        try:
            payload = context.message.data
            event = self._read(payload, context.headers) if self._read else self._decode(payload)
        except Exception as error:
            self.stats.invalid += 1
            self.stats.last_error = noted(error)
            logger.warning("not what the subscriber takes", subscriber=self.subscriber.name, error=named(error))
            return
        if isinstance(event, Envelope) and (age := event.age()) is not None:
            self.stats.latencies.add(age)
        started = time.perf_counter()
        given = (context,) if self.subscriber.signature.takes_message else ()
        try:
            await self.subscriber.function(event, *given)
        except Exception as error:
            self.stats.failed += 1
            self.stats.last_error = noted(error)
            logger.error("subscriber failed", subscriber=self.subscriber.name, error=named(error), exc_info=error)
        else:
            self.stats.heard += 1
        finally:
            self.stats.durations.add(time.perf_counter() - started)


def _percentile(ordered: list[float], share: float) -> float | None:
    if not ordered:
        return None
    return round(ordered[math.ceil(share * len(ordered)) - 1], 6)
