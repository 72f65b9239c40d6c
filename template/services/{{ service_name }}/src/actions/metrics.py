"""The numbers of the actions in Prometheus's form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from src.infrastructure.watching.stats import histogram
from src.actions.runner import ActionRunner

LABELS = ["action", "version"]


def action_metrics(
    runners: Sequence[ActionRunner],
) -> Iterable[CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily]:
    """The actions' metrics at this moment."""
    requests = CounterMetricFamily("worker_action_requests", "Requests received", labels=LABELS)
    errors = CounterMetricFamily("worker_action_errors", "Answers that were errors", labels=[*LABELS, "code"])
    durations = HistogramMetricFamily("worker_action_duration_seconds", "How long the action took", labels=LABELS)
    in_flight = GaugeMetricFamily("worker_action_in_flight", "Requests being answered", labels=LABELS)
    waiting = GaugeMetricFamily("worker_action_waiting", "Requests received and not started", labels=LABELS)
    for runner in runners:
        labels = [runner.name, str(runner.action.version)]
        requests.add_metric(labels, runner.stats.requests)
        for code, count in runner.stats.errors.items():
            errors.add_metric([*labels, code], count)
        durations.add_metric(labels, *histogram(runner.stats.durations))
        in_flight.add_metric(labels, runner.in_flight)
        waiting.add_metric(labels, runner.waiting)
    return requests, errors, durations, in_flight, waiting
