"""Runs one subscriber: decodes each message, records its age, and continues after an error."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import prometheus_client as prometheus
from nats.aio.msg import Msg

from src.domain.events import Envelope
from src.infrastructure.errors import ConfigurationError, describe
from src.infrastructure.metrics import BUCKETS
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.resources import with_resources
from src.pubsub.subscribers.settings import SubscriberSettings, settings
from src.pubsub.subscribers.subscriber import Subscriber, overlap
from src.requests.listeners import Listener
from src.requests.request import Context
from src.utils.logging import logger

LABEL = ["subscriber"]
RECEIVED = prometheus.Counter("worker_heard", "Messages that arrived", LABEL)
FAILURES = prometheus.Counter("worker_subscriber_failures", "Messages not handled, and why", [*LABEL, "reason"])
WAITING = prometheus.Gauge("worker_subscriber_waiting", "Messages received and not started", LABEL)
SECONDS = prometheus.Histogram("worker_subscriber_duration_seconds", "Duration of calls", LABEL, buckets=BUCKETS)
AGE = prometheus.Histogram("worker_subscriber_latency_seconds", "Age of received messages", LABEL, buckets=BUCKETS)

RECENT = 1_000  # ages of which `/stats` shows percentiles


class SubscriberRunner(Listener):
    """Calls one subscriber with its messages, one by one.

    Args:
        subscriber: the subscriber.
        nats: the worker's connection.
        own: the settings of subscribers.

    Raises:
        ConfigurationError: the function cannot be a subscriber.
    """

    kind = "subscribers"

    def __init__(self, subscriber: Subscriber, nats: NatsClient, own: SubscriberSettings = settings) -> None:
        queue = own.QUEUE_GROUP if subscriber.queue is None else subscriber.queue
        super().__init__(nats, subscriber.subject, self._hear, queue)
        self.subscriber = subscriber
        self._signature = subscriber.signature
        self._function = with_resources(subscriber.function)
        self._counts = {"heard": 0, "invalid": 0, "failed": 0}
        self._ages = Ages()
        self._last_error = ""
        WAITING.labels(subscriber.name).set_function(lambda: self.in_flight)

    @property
    def trouble(self) -> str:
        """Return why no messages arrive; empty while they do."""
        return self.subscription.trouble

    def stats(self) -> list[dict[str, Any]]:
        """Return the counts, for `/stats`."""
        stats = {
            "subscriber": self.subscriber.name,
            "subject": self.subscriber.subject,
            "queue_group": self.subscription.queue,
            "received": self.received,
            **self._counts,
            "dropped": self.dropped,
            "waiting": self.in_flight,
            "latency_seconds": self._ages.summary(),
            "last_error": self._last_error,
        }
        return [stats]

    async def run(self) -> None:
        """Receive messages until `stop` is called."""
        await self.subscription.run()

    def receive(self, raw: Msg) -> None:
        """Queue a message, and count it."""
        dropped = self.dropped
        super().receive(raw)
        RECEIVED.labels(self.subscriber.name).inc()
        FAILURES.labels(self.subscriber.name, "dropped").inc(self.dropped - dropped)

    async def _hear(self, context: Context) -> None:
        name, signature = self.subscriber.name, self._signature
        try:
            event = signature.decode(context.message.data, context.headers)
        except Exception as error:
            self._failed(context, "invalid", error)
            logger.warning("invalid message", subscriber=name, error=describe(error))
            return
        if isinstance(event, Envelope) and (age := event.age()) is not None:
            self._ages.add(age)
            AGE.labels(name).observe(age)
        try:
            with SECONDS.labels(name).time():
                await self._function(event, *((context,) if signature.takes_message else ()))
        except Exception as error:
            self._failed(context, "failed", error)
            logger.error("subscriber failed", subscriber=name, error=describe(error), exc_info=error)
        else:
            self._counts["heard"] += 1

    def _failed(self, context: Context, reason: str, error: Exception) -> None:
        context.error = error
        self._counts[reason] += 1
        self._last_error = describe(error)
        FAILURES.labels(self.subscriber.name, reason).inc()


class Ages:
    """The ages of messages when they were handled, by the time in their envelopes; clocks of two machines differ."""

    def __init__(self) -> None:
        self._count = 0
        self._recent: deque[float] = deque(maxlen=RECENT)

    def add(self, seconds: float) -> None:
        """Record an age."""
        self._count += 1
        self._recent.append(seconds)

    def summary(self) -> dict[str, Any]:
        """Return the number of ages, and the median and 99th percentile of the latest ones in seconds."""
        ordered = sorted(self._recent)

        def percentile(share: float) -> float | None:
            return round(ordered[math.ceil(share * len(ordered)) - 1], 6) if ordered else None

        return {"count": self._count, "p50": percentile(0.5), "p99": percentile(0.99)}


def refuse_clashes(runners: Sequence[SubscriberRunner]) -> None:
    """Check that subscribers share neither names nor the messages of one queue group.

    Raises:
        ConfigurationError: two do.
    """
    for one, other in combinations(runners, 2):
        ours, theirs = one.subscriber, other.subscriber
        where = f"in {ours.function.__module__} and in {theirs.function.__module__}"
        if ours.name == theirs.name:
            raise ConfigurationError(
                f"two subscribers are named {ours.name}, {where}: give their functions different names"
            )
        # the server treats all subscriptions of one group as one, whatever their subjects are
        group = one.subscription.queue
        if group and group == other.subscription.queue and overlap(ours.subject, theirs.subject):
            raise ConfigurationError(
                f"the subscribers {ours.name} and {theirs.name}, {where}, are both in the group {group}, and a message "
                f"on both {ours.subject} and {theirs.subject} would reach only one of them: give one another `queue=`"
            )
