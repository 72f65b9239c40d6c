"""The numbers of a gateway, by method and route, for Prometheus and `/stats`."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import prometheus_client as prometheus

from src.infrastructure.errors import describe
from src.infrastructure.metrics import BUCKETS
from src.web.exchange import Exchange

REQUESTS = prometheus.Counter("gateway_requests", "Requests answered", ["method", "route", "status"])
SECONDS = prometheus.Histogram(
    "gateway_request_duration_seconds", "Duration of requests", ["method", "route"], buckets=BUCKETS
)
IN_FLIGHT = prometheus.Gauge("gateway_requests_in_flight", "Requests being answered")

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OTHER = "other"  # method or route: clients must not be able to create series of metrics


class Counts:
    """Counts by method and route; a route is a template such as `/orders/{id}`.

    Attributes:
        in_flight: requests being answered.
    """

    def __init__(self) -> None:
        self.in_flight = 0
        self._statuses: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._last_errors: dict[tuple[str, str], str] = {}
        IN_FLIGHT.set_function(lambda: self.in_flight)

    def add(self, exchange: Exchange, route: str, seconds: float) -> None:
        """Count a request that was answered."""
        method = exchange.method if exchange.method in METHODS else OTHER
        key, status = (method, route or OTHER), str(exchange.status)
        self._statuses[key][status] += 1
        REQUESTS.labels(*key, status).inc()
        SECONDS.labels(*key).observe(seconds)
        if exchange.status >= 500:
            self._last_errors[key] = f"{status}: {describe(exchange.error)}" if exchange.error else status

    def stats(self) -> dict[str, Any]:
        """Return the counts, for `/stats`."""
        routes = [
            {
                "method": method,
                "route": route,
                "statuses": dict(statuses),
                "last_error": self._last_errors.get((method, route)),
            }
            for (method, route), statuses in self._statuses.items()
        ]
        return {"in_flight": self.in_flight, "routes": routes}
