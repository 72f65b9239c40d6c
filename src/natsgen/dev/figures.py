"""Ask the services every second for their readiness, their counts, and how long handlers take."""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

from natsgen.dev.service import DevService
from natsgen.harness.errors import HarnessError
from natsgen.harness.http_client import request
from natsgen.harness.metrics_text import parse_metrics
from natsgen.harness.ports import LOOPBACK

LIMIT = 2.0  # seconds that an endpoint has to answer
_BUCKET = re.compile(r'worker_handler_duration_seconds_bucket\{handler="([^"]*)",le="([^"]*)"\}')


@dataclass(frozen=True)
class Figures:
    """A service's own figures.

    Attributes:
        ready: whether it is ready.
        reason: its current work, or why it is not ready.
        stats: its `/stats`.
        buckets: for each handler, the number of calls by their longest duration in seconds.
    """

    ready: bool = False
    reason: str = ""
    stats: Mapping[str, Any] = field(default_factory=dict)
    buckets: Mapping[str, Mapping[float, float]] = field(default_factory=dict)

    def quantile(self, handler: str, share: float) -> float | None:
        """Return the seconds within which this share of the handler's calls ended; None if there were no calls."""
        buckets = sorted(self.buckets.get(handler, {}).items())
        total = buckets[-1][1] if buckets else 0
        return next((limit for limit, count in buckets if total and count >= share * total), None)


async def ask(service: DevService) -> Figures:
    """Return a service's figures; empty ones if it does not answer."""
    if not service.port:
        return Figures(reason=service.reason or service.state)
    return await asyncio.to_thread(_ask, service.port, service.reason or service.state)


def _ask(port: int, otherwise: str) -> Figures:
    try:
        ready = request(LOOPBACK, port, "/readyz", limit=LIMIT)
        stats = request(LOOPBACK, port, "/stats", limit=LIMIT).json()
        samples = parse_metrics(request(LOOPBACK, port, "/metrics", limit=LIMIT).body)
        reason = str(json.loads(ready.body).get("reason", ""))
    except (OSError, HTTPException, ValueError, HarnessError, AttributeError):
        return Figures(reason=otherwise)
    buckets: dict[str, dict[float, float]] = defaultdict(dict)
    for name, value in samples.items():
        if found := _BUCKET.fullmatch(name):
            buckets[found[1]][float(found[2])] = value
    return Figures(ready.status == 200, reason, stats, buckets)
