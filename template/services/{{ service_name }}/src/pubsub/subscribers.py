"""All subscribers of the service, subscribed to on whatever connection there is, and their numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import combinations
from typing import Any

import nats.errors
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from src.infrastructure.errors import ConfigurationError, named
from src.infrastructure.watching.stats import histogram
from src.infrastructure.wiring.component import Surroundings
from src.pubsub.listening import CoreSubscriber, overlap
from src.pubsub.listening_runner import CoreRunner
from src.utils.logging import logger


class CoreSubscribers:
    """A listener for each subscriber.

    Args:
        subscribers: all of the service.
        surroundings: what they work with.

    Raises:
        ConfigurationError: two would get in each other's way.
    """

    kind = "subscribers"

    TICK = 1.0  # seconds between attempts to subscribe, where the last one failed

    def __init__(self, subscribers: Sequence[CoreSubscriber], surroundings: Surroundings) -> None:
        self._nats, _, settings = surroundings
        self.runners = [CoreRunner(subscriber, self._nats, settings) for subscriber in subscribers]
        self._wake = asyncio.Event()
        self._stopping = False
        for one, other in combinations(self.runners, 2):
            _refuse_clash(one, other)

    @property
    def trouble(self) -> str:
        """Why they do not all listen."""
        missing = [runner.subscriber.name for runner in self.runners if not runner.listening]
        return f"not listening yet: {', '.join(missing)}" if missing else ""

    @property
    def begun(self) -> int:
        """Messages that have come and not begun."""
        return sum(runner.waiting for runner in self.runners)

    async def run(self) -> None:
        """Keeps them subscribed until `stop` is called."""
        self._nats.on_connection(self._wake.set)
        while not self._stopping:
            self._wake.clear()
            try:
                if self._nats.connected:
                    for runner in self.runners:
                        await runner.subscribe()
            except (nats.errors.Error, TimeoutError, OSError) as error:
                logger.warning("not listening", error=named(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(self.TICK if self.trouble else None):
                    await self._wake.wait()

    async def stop(self, limit: float, hurry: asyncio.Future[None] | None) -> None:
        """Has what has come heard."""
        self._stopping = True
        self._wake.set()
        stopping = asyncio.ensure_future(asyncio.gather(*(runner.stop(limit) for runner in self.runners)))
        events: list[asyncio.Future[Any]] = [stopping, hurry] if hurry else [stopping]
        await asyncio.wait(events, return_when=asyncio.FIRST_COMPLETED)

    def stats(self) -> list[dict[str, Any]]:
        """The counts of each."""
        return [_summary(runner) for runner in self.runners]

    def metrics(self) -> Iterable[Metric]:
        """The same for Prometheus."""
        labels = ["subscriber"]
        received = CounterMetricFamily("worker_heard", "Messages that came to subscribers", labels=labels)
        failures = CounterMetricFamily("worker_subscriber_failures", "Not heard, and why", labels=[*labels, "reason"])
        waiting = GaugeMetricFamily("worker_subscriber_waiting", "Messages received and not begun", labels=labels)
        durations = HistogramMetricFamily("worker_subscriber_duration_seconds", "How long it took", labels=labels)
        latencies = HistogramMetricFamily("worker_subscriber_latency_seconds", "Age of messages", labels=labels)
        for runner in self.runners:
            name, stats = [runner.subscriber.name], runner.stats
            received.add_metric(name, runner.received)
            reasons = (("invalid", stats.invalid), ("failed", stats.failed), ("dropped", runner.dropped))
            for reason, count in reasons:
                failures.add_metric([*name, reason], count)
            waiting.add_metric(name, runner.waiting)
            durations.add_metric(name, *histogram(stats.durations))
            latencies.add_metric(name, *histogram(stats.latencies.durations))
        return received, failures, waiting, durations, latencies


def _refuse_clash(one: CoreRunner, other: CoreRunner) -> None:
    ours, theirs = one.subscriber, other.subscriber
    where = f"in {ours.function.__module__} and in {theirs.function.__module__}"
    if ours.name == theirs.name:
        raise ConfigurationError(
            f"two subscribers are named {ours.name}, {where}: give each a function with a name of its own"
        )
    # the server takes subscriptions of one group for one, whatever their subjects
    if one.queue and one.queue == other.queue and overlap(ours.subject, theirs.subject):
        raise ConfigurationError(
            f"the subscribers {ours.name} and {theirs.name}, {where}, are both in the group {one.queue}, and what "
            f"is on both {ours.subject} and {theirs.subject} would reach one of them only: give one another `queue=`"
        )


def _summary(runner: CoreRunner) -> dict[str, Any]:
    subscriber, stats = runner.subscriber, runner.stats
    return {
        "subscriber": subscriber.name,
        "subject": subscriber.subject,
        "queue_group": runner.queue,
        "received": runner.received,
        "heard": stats.heard,
        "invalid": stats.invalid,
        "failed": stats.failed,
        "dropped": runner.dropped,
        "waiting": runner.waiting,
        "latency_seconds": stats.latencies.summary(),
        "last_error": stats.last_error,
    }
