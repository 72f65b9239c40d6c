"""The metrics of a gateway, by method and route."""

from __future__ import annotations

import prometheus_client as prometheus

from src.infrastructure.metrics import BUCKETS
from src.web.exchange import Exchange

REQUESTS = prometheus.Counter("gateway_requests", "Requests answered", ["method", "route", "status"])
SECONDS = prometheus.Histogram(
    "gateway_request_duration_seconds", "Duration of requests", ["method", "route"], buckets=BUCKETS
)
IN_FLIGHT = prometheus.Gauge("gateway_requests_in_flight", "Requests being answered")

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OTHER = "other"  # any other method or route, so that clients cannot create time series


def count(exchange: Exchange, seconds: float) -> None:
    """Count a request that was answered."""
    key = (exchange.method if exchange.method in METHODS else OTHER, exchange.route or OTHER)
    REQUESTS.labels(*key, str(exchange.status)).inc()
    SECONDS.labels(*key).observe(seconds)
