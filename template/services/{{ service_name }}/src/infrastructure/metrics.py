"""The worker's metrics: prometheus-client's own objects in its default registry, with the prefix `worker_`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.samples import Sample

leave_out_created: Callable[[], None] = disable_created_metrics  # prometheus-client does not annotate it
leave_out_created()  # those metrics double the series and say only when the process started

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # seconds

READY = Gauge("worker_ready", "1 while every consumer pulls")
CONNECTED = Gauge("worker_nats_connected", "1 while connected to NATS")
CONNECTIONS = Counter("worker_nats_connections", "Connects and reconnects to NATS")
LOOP_LAG = Gauge("worker_loop_lag_seconds", "How late the event loop was in the last second")


PREFIX = "worker_messages_"
UNNAMED = re.compile(f"^{PREFIX}|^worker_|_total$")  # what names in `/stats` leave out
RECEIVED = Counter(PREFIX + "received", "Deliveries by the server", ["handler"])
HANDLED = Counter(PREFIX + "handled", "Messages whose handler returned", ["handler"])
RETRIED = Counter(PREFIX + "retried", "Deliveries that ended with another attempt to come", ["handler"])
HELD = Counter(PREFIX + "held", "Deliveries of messages that another worker was handling", ["handler"])
RELEASED = Counter(PREFIX + "released", "Deliveries given back without being handled", ["handler"])
DUPLICATES = Counter(PREFIX + "duplicate", "Deliveries of messages that had been handled before", ["handler"])
PENDING = Gauge(PREFIX + "pending", "Messages in the stream that no replica has fetched yet", ["handler"])
BUFFERED = Gauge(PREFIX + "buffered", "Messages fetched and not started", ["handler"])
IN_FLIGHT = Gauge(PREFIX + "in_flight", "Messages being handled", ["handler"])
OLDEST = Gauge("worker_oldest_handler_seconds", "How long the handler that began first has run", ["handler"])
WITHOUT_PAYLOAD = Counter("worker_dead_letters_without_payload", "Dead letters that only point to it", ["handler"])
DEAD_LETTERS = Counter("worker_dead_letters", "Messages given up", ["handler", "reason"])
DURATIONS = Histogram("worker_handler_duration_seconds", "How long the handler took", ["handler"], buckets=BUCKETS)

COUNTS = (RECEIVED, HANDLED, RETRIED, HELD, RELEASED, DUPLICATES, PENDING, BUFFERED, IN_FLIGHT, WITHOUT_PAYLOAD)


class HandlerMetrics:
    """The metrics of one handler.

    Attributes:
        new_received, new_handled: counted since `flush`, which is called every few milliseconds and costs less.
        durations: how long the handler took.
    """

    def __init__(self, handler: str) -> None:
        self.new_received = 0
        self.new_handled = 0
        self.durations = DURATIONS.labels(handler)
        self._handler = handler
        for metric in COUNTS:
            metric.labels(handler)  # so that it is 0 before the first one

    def flush(self) -> None:
        """Add the new counts to the metrics."""
        RECEIVED.labels(self._handler).inc(self.new_received)
        HANDLED.labels(self._handler).inc(self.new_handled)
        self.new_received = self.new_handled = 0

    def values(self) -> dict[str, object]:
        """Return the counts for `/stats`: `worker_messages_received_total` is `received`, and so on."""
        self.flush()
        samples = [sample for metric in COUNTS for sample in self._samples(metric)]
        counts = {UNNAMED.sub("", one.name): int(one.value) for one in samples}
        letters = {sample.labels["reason"]: int(sample.value) for sample in self._samples(DEAD_LETTERS)}
        return {**counts, "dead_letters": letters}

    def _samples(self, metric: Counter | Gauge) -> list[Sample]:
        return [one for one in next(iter(metric.collect())).samples if one.labels["handler"] == self._handler]


async def measure_loop_lag() -> None:
    """Set the gauge of the event loop's lag every second. A handler that blocks the loop shows up here."""
    loop = asyncio.get_running_loop()
    while True:
        started = loop.time()
        await asyncio.sleep(1)
        LOOP_LAG.set(loop.time() - started - 1)
