"""The counts of each action, for Prometheus, `/stats` and `nats micro stats`."""

from __future__ import annotations

from collections import Counter

import prometheus_client as prometheus

from src.infrastructure.metrics import BUCKETS

LABELS = ("action", "version")
REQUESTS = prometheus.Counter("worker_action_requests", "Requests received", LABELS)
ERRORS = prometheus.Counter("worker_action_errors", "Answers that were errors", (*LABELS, "code"))
SECONDS = prometheus.Histogram("worker_action_duration_seconds", "Duration of the action", LABELS, buckets=BUCKETS)
IN_FLIGHT = prometheus.Gauge("worker_action_in_flight", "Requests being answered", LABELS)
WAITING = prometheus.Gauge("worker_action_waiting", "Requests received and not started", LABELS)


class ActionStats:
    """The counts of one action since the process started.

    Attributes:
        requests: requests received, including those refused.
        errors: answers that were errors, by code.
        seconds: the total duration of the action.
        last_error: the latest error, as code and message; empty if there was none.
    """

    def __init__(self, action: str, version: int) -> None:
        self.labels = (action, str(version))
        self.requests = 0
        self.errors: Counter[str] = Counter()
        self.seconds = 0.0
        self.last_error = ""
        self._requests = REQUESTS.labels(*self.labels)
        self._durations = SECONDS.labels(*self.labels)

    def received(self) -> None:
        """Count a request."""
        self.requests += 1
        self._requests.inc()

    def took(self, seconds: float) -> None:
        """Count a run of the action."""
        self.seconds += seconds
        self._durations.observe(seconds)

    def failed(self, code: str, message: str) -> None:
        """Count an answer that is an error."""
        self.errors[code] += 1
        ERRORS.labels(*self.labels, code).inc()
        self.last_error = f"{code}:{message}"[:500].encode(errors="replace").decode()  # JSON has no lone surrogates
