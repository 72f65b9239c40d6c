"""The worker's metrics: prometheus-client's own objects in its default registry, with the prefix `worker_`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, disable_created_metrics

leave_out_created: Callable[[], None] = disable_created_metrics  # prometheus-client does not annotate it
leave_out_created()  # those metrics double the series and say only when the process started

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # seconds

READY = Gauge("worker_ready", "1 while every consumer pulls")
CONNECTED = Gauge("worker_nats_connected", "1 while connected to NATS")
CONNECTIONS = Counter("worker_nats_connections", "Connects and reconnects to NATS")
LOOP_LAG = Gauge("worker_loop_lag_seconds", "How late the event loop was in the last second")


def _counter(name: str, meaning: str) -> Counter:
    return Counter(f"worker_messages_{name}", meaning, ["handler"])


RECEIVED = _counter("received", "Deliveries by the server")
HANDLED = _counter("handled", "Messages whose handler returned")
RETRIED = _counter("retried", "Deliveries that ended with another attempt to come")
HELD = _counter("held", "Deliveries of messages that another worker was handling")
RELEASED = _counter("released", "Deliveries given back unhandled at shutdown")
DUPLICATES = _counter("duplicate", "Deliveries of messages that had been handled before")
WITHOUT_PAYLOAD = Counter("worker_dead_letters_without_payload", "Dead letters that only point to it", ["handler"])
DEAD_LETTERS = Counter("worker_dead_letters", "Messages given up", ["handler", "reason"])
DURATIONS = Histogram("worker_handler_duration_seconds", "How long the handler took", ["handler"], buckets=BUCKETS)
PENDING = Gauge("worker_messages_pending", "Messages in the stream that no replica has fetched yet", ["handler"])
BUFFERED = Gauge("worker_messages_buffered", "Messages fetched and not started", ["handler"])
IN_FLIGHT = Gauge("worker_messages_in_flight", "Messages being handled", ["handler"])


class HandlerMetrics:
    """The metrics of one handler.

    Attributes:
        new_received, new_handled: counted since `flush`, which is called every few milliseconds and costs less.
    """

    def __init__(self, handler: str) -> None:
        self.new_received = 0
        self.new_handled = 0
        self._handler = handler
        self.received = RECEIVED.labels(handler)
        self.handled = HANDLED.labels(handler)
        self.retried = RETRIED.labels(handler)
        self.held = HELD.labels(handler)
        self.released = RELEASED.labels(handler)
        self.duplicates = DUPLICATES.labels(handler)
        self.durations = DURATIONS.labels(handler)
        self.pending = PENDING.labels(handler)
        self.buffered = BUFFERED.labels(handler)
        self.in_flight = IN_FLIGHT.labels(handler)

    def flush(self) -> None:
        """Add the new counts to the metrics."""
        if self.new_received:
            self.received.inc(self.new_received)
            self.new_received = 0
        if self.new_handled:
            self.handled.inc(self.new_handled)
            self.new_handled = 0

    def values(self) -> dict[str, object]:
        """Return the counts by name, for `/stats`."""
        self.flush()
        found: dict[str, object] = {}
        letters: dict[str, int] = {}
        for family in REGISTRY.collect():
            if not family.name.startswith(("worker_messages_", "worker_dead_letters")):
                continue
            for sample in family.samples:
                if sample.labels.get("handler") != self._handler:
                    continue
                if reason := sample.labels.get("reason"):
                    letters[reason] = int(sample.value)
                else:
                    name = sample.name.removeprefix("worker_messages_").removeprefix("worker_")
                    found[name.removesuffix("_total").replace("duplicate", "duplicates")] = int(sample.value)
        return {**found, "dead_letters": letters}


async def measure_loop_lag() -> None:
    """Set the gauge of the event loop's lag every second. A handler that blocks the loop shows up here."""
    loop = asyncio.get_running_loop()
    while True:
        started = loop.time()
        await asyncio.sleep(1)
        LOOP_LAG.set(loop.time() - started - 1)
