"""The worker's metrics, in the default registry of prometheus-client, with the prefix `worker_`."""

from __future__ import annotations

import asyncio
import re
from bisect import bisect_left
from itertools import accumulate

from prometheus_client import REGISTRY, Counter, Gauge, Metric, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Sample
from prometheus_client.registry import Collector

# they double the series, and say only when the process started
disable_created_metrics()  # type: ignore[no-untyped-call, unused-ignore]

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # seconds

READY = Gauge("worker_ready", "1 while the service is ready")
CONNECTED = Gauge("worker_nats_connected", "1 while connected to NATS")
CONNECTIONS = Counter("worker_nats_connections", "Connects and reconnects to NATS")
LOOP_LAG = Gauge("worker_loop_lag_seconds", "How late the event loop was in the last second")

LABELS = ["handler"]
PREFIX = "worker_messages_"
UNNAMED = re.compile(f"^{PREFIX}|^worker_|_total$")  # what names in `/stats` leave out
RETRIED = Counter(PREFIX + "retried", "Deliveries after which the message is tried again", LABELS)
HELD = Counter(PREFIX + "held", "Deliveries of messages that another worker was handling", LABELS)
RELEASED = Counter(PREFIX + "released", "Deliveries given back without being handled", LABELS)
DUPLICATES = Counter(PREFIX + "duplicate", "Deliveries of messages that had been handled before", LABELS)
PENDING = Gauge(PREFIX + "pending", "Messages in the stream that no replica has fetched yet", LABELS)
BUFFERED = Gauge(PREFIX + "buffered", "Messages fetched and not started", LABELS)
IN_FLIGHT = Gauge(PREFIX + "in_flight", "Messages being handled", LABELS)
ACK_WAIT = Gauge("worker_ack_wait_seconds", "The consumer's `ack_wait`", LABELS)
OLDEST = Gauge("worker_oldest_handler_seconds", "How long the handler that began first has run", LABELS)
WITHOUT_PAYLOAD = Counter("worker_dead_letters_without_payload", "Dead letters that point to the original", LABELS)
DEAD_LETTERS = Counter("worker_dead_letters", "Messages given up", ["handler", "reason"])

COUNTS = (RETRIED, HELD, RELEASED, DUPLICATES, PENDING, BUFFERED, IN_FLIGHT, WITHOUT_PAYLOAD)


class HandlerMetrics:
    """The metrics of one handler.

    Args:
        handler: its name.
        ack_wait: its `ack_wait`. A bucket ends there, which shows how many calls take longer.

    Attributes:
        received, handled: numbers of messages.
        bounds: where the buckets end, in seconds.
        durations: how many calls of the handler took how long, by bucket.
        seconds: how long all calls took.
    """

    def __init__(self, handler: str, ack_wait: float) -> None:
        self.received = self.handled = 0
        self.bounds = sorted({*BUCKETS, float(ack_wait)})
        self.durations = [0] * (len(self.bounds) + 1)
        self.seconds = 0.0
        self._handler = handler
        by_handler[handler] = self
        for metric in COUNTS:
            metric.labels(handler)  # so that it is 0 before the first one

    def took(self, seconds: float) -> None:
        """Count a call of the handler."""
        self.durations[bisect_left(self.bounds, seconds)] += 1
        self.seconds += seconds

    def values(self) -> dict[str, object]:
        """Return the counts for `/stats`: `worker_messages_received_total` is `received`, and so on."""
        samples = [sample for metric in COUNTS for sample in self._samples(metric)]
        counts = {UNNAMED.sub("", one.name): int(one.value) for one in samples}
        letters = {sample.labels["reason"]: int(sample.value) for sample in self._samples(DEAD_LETTERS)}
        return {"received": self.received, "handled": self.handled, **counts, "dead_letters": letters}

    def _samples(self, metric: Counter | Gauge) -> list[Sample]:
        return [one for one in next(iter(metric.collect())).samples if one.labels["handler"] == self._handler]


class MessageCollector(Collector):
    """Collects what changes with every message. prometheus-client's counters take a lock, and several times as long."""

    def collect(self) -> list[Metric]:
        """Return the metrics of all handlers."""
        received = CounterMetricFamily(PREFIX + "received", "Deliveries by the server", labels=LABELS)
        handled = CounterMetricFamily(PREFIX + "handled", "Messages whose handler returned", labels=LABELS)
        took = HistogramMetricFamily("worker_handler_duration_seconds", "How long the handler took", labels=LABELS)
        for handler, one in by_handler.items():
            received.add_metric([handler], one.received)
            handled.add_metric([handler], one.handled)
            bounds = [*map(str, one.bounds), "+Inf"]
            took.add_metric([handler], [*zip(bounds, accumulate(one.durations), strict=True)], one.seconds)
        return [received, handled, took]


by_handler: dict[str, HandlerMetrics] = {}
REGISTRY.register(MessageCollector())


async def measure_loop_lag() -> None:
    """Set the gauge of the event loop's lag every second. A handler that blocks the loop shows up here."""
    loop = asyncio.get_running_loop()
    while True:
        started = loop.time()
        await asyncio.sleep(1)
        LOOP_LAG.set(loop.time() - started - 1)
