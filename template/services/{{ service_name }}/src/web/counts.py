"""What a gateway counts of its requests. `/stats` and `/metrics` both read these numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from src.infrastructure.errors import named
from src.infrastructure.watching.stats import Durations, histogram
from src.web.exchange import Exchange

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OTHER = "other"  # method or route: what clients make up must not make series of metrics
ERROR_LIMIT = 500  # characters of the last error


@dataclass(slots=True)
class RouteCounts:
    """The counts of one method of one route since the start of the process.

    Attributes:
        statuses: responses by status.
        durations: from the arrival of a request to the end of its response.
        last_error: the latest response of 500 and beyond.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    durations: Durations = field(default_factory=Durations)
    last_error: dict[str, Any] | None = None


class Counts(Collector):
    """Counts by method and route, a route being a template such as `/orders/{id}`.

    Attributes:
        in_flight: requests being answered.
    """

    def __init__(self) -> None:
        self.in_flight = 0
        self._routes: dict[tuple[str, str], RouteCounts] = {}

    def add(self, exchange: Exchange, route: str, seconds: float) -> None:
        """Counts a request that was answered."""
        method = exchange.method if exchange.method in METHODS else OTHER
        counts = self._routes.setdefault((method, route or OTHER), RouteCounts())
        counts.statuses[exchange.status] += 1
        counts.durations.add(seconds)
        if exchange.status >= 500:
            counts.last_error = {
                "status": exchange.status,
                "error": _shown(exchange.error),
                "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            }

    def stats(self) -> dict[str, Any]:
        """The counts, for `/stats`."""
        return {
            "in_flight": self.in_flight,
            "routes": [
                {
                    "method": method,
                    "route": route,
                    "statuses": {str(status): count for status, count in counts.statuses.items()},
                    "last_error": counts.last_error,
                }
                for (method, route), counts in self._routes.items()
            ],
        }

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily]:
        """The gateway's metrics at this moment."""
        labels = ["method", "route"]
        requests = CounterMetricFamily("gateway_requests", "Requests answered", labels=[*labels, "status"])
        durations = HistogramMetricFamily("gateway_request_duration_seconds", "How long it took", labels=labels)
        for route, counts in self._routes.items():
            for status, count in counts.statuses.items():
                requests.add_metric([*route, str(status)], count)
            durations.add_metric(route, *histogram(counts.durations))
        in_flight = GaugeMetricFamily("gateway_requests_in_flight", "Requests being answered", self.in_flight)
        return requests, durations, in_flight


def _shown(error: BaseException | None) -> str | None:
    """An error as JSON takes it: short, and without lone surrogates."""
    return named(error)[:ERROR_LIMIT].encode(errors="replace").decode() if error else None
