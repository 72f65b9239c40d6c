"""The worker's numbers in Prometheus's form, made from the counts only when they are asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from src.infrastructure.handler_runner import HandlerRunner
from src.infrastructure.watching.stats import histogram
from src.infrastructure.worker import Worker

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class WorkerCollector(Collector):
    """Reads a worker's counts whenever Prometheus scrapes."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def collect(self) -> Iterable[Metric]:
        """The worker's metrics at this moment."""
        worker = self._worker
        yield GaugeMetricFamily("worker_ready", "1 while every consumer pulls", float(worker.readiness().ready))
        yield GaugeMetricFamily("worker_nats_connected", "1 while connected to NATS", float(worker.nats.connected))
        yield CounterMetricFamily("worker_nats_connections", "Connects and reconnects to NATS", worker.nats.connections)
        yield GaugeMetricFamily("worker_tasks", "Tasks of the event loop", len(asyncio.all_tasks()))
        blocked = worker.loop_watch
        yield CounterMetricFamily("worker_loop_blocked", "Times that something kept the event loop", blocked.times)
        yield CounterMetricFamily("worker_loop_blocked_seconds", "How long something kept it", blocked.seconds)
        for name, meaning, attribute in (
            ("received", "Deliveries by the server", "received"),
            ("handled", "Messages whose handler returned", "handled"),
            ("retried", "Deliveries that ended with another attempt to come", "retried"),
            ("scheduled", "Those of them that the server sends back after a long delay", "scheduled"),
            ("held", "Deliveries of messages that another worker was handling", "held"),
            ("released", "Deliveries given back unhandled at shutdown", "released"),
            ("duplicate", "Deliveries of messages that had been handled before", "duplicates"),
        ):
            counter = CounterMetricFamily(f"worker_messages_{name}", meaning, labels=["handler"])
            for runner in worker.runners:
                counter.add_metric([runner.name], getattr(runner.stats, attribute))
            yield counter
        yield _dead_letters(worker.runners)
        for name, meaning, attribute in (
            ("worker_messages_buffered", "Messages fetched and not started", "buffered"),
            ("worker_messages_in_flight", "Messages being handled", "in_flight"),
        ):
            gauge = GaugeMetricFamily(name, meaning, labels=["handler"])
            for runner in worker.runners:
                gauge.add_metric([runner.name], getattr(runner, attribute))
            yield gauge
        yield _pending(worker.runners)
        yield _durations(worker.runners)
        for component in worker.components:
            yield from component.metrics()


def _dead_letters(runners: list[HandlerRunner]) -> CounterMetricFamily:
    family = CounterMetricFamily("worker_dead_letters", "Messages given up", labels=["handler", "reason"])
    for runner in runners:
        for reason, count in runner.stats.dead_letters.items():
            family.add_metric([runner.name, reason], count)
    return family


def _pending(runners: list[HandlerRunner]) -> GaugeMetricFamily:
    meaning = "Messages in the stream that no replica has been given yet"
    family = GaugeMetricFamily("worker_messages_pending", meaning, labels=["handler"])
    for runner in runners:
        if runner.stats.pending is not None:
            family.add_metric([runner.name], runner.stats.pending)
    return family


def _durations(runners: list[HandlerRunner]) -> HistogramMetricFamily:
    family = HistogramMetricFamily("worker_handler_duration_seconds", "How long the handler took", labels=["handler"])
    for runner in runners:
        family.add_metric([runner.name], *histogram(runner.stats.durations))
    return family


def registry_of(worker: Worker) -> CollectorRegistry:
    """A registry of the worker's metrics and the process's own."""
    registry = CollectorRegistry()
    registry.register(WorkerCollector(worker))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


def exposition(registry: CollectorRegistry) -> bytes:
    """The metrics as Prometheus reads them."""
    return generate_latest(registry)
