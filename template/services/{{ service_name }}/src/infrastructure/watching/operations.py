"""What `/healthz`, `/readyz`, `/metrics` and `/stats` answer, whatever server is asked."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import orjson

from src.config import Settings
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.metrics import CONTENT_TYPE, exposition, registry_of
from src.infrastructure.watching.seldom import Seldom
from src.infrastructure.watching.server_figures import ServerFigures
from src.infrastructure.worker import Worker

JSON = "application/json"


class Answer(NamedTuple):
    """An answer to an HTTP request."""

    status: int
    content_type: str
    body: bytes


class Operations:
    """Answers probes and scrapes.

    Args:
        settings: the service's settings.
        version: of the service.
        worker: what the answers are about.

    Attributes:
        registry: the metrics; more may be registered.
        answers: what makes the answer of the request's query, by path.
        more_stats: further parts of `/stats`, by name.
    """

    DEEP_AGE = 5.0  # seconds for which a deep health check is not repeated
    DEEP_LIMIT = 5.0  # seconds that it has

    def __init__(self, settings: Settings, version: str, worker: Worker) -> None:
        self._settings = settings
        self._version = version
        self._worker = worker
        self._started = time.monotonic()
        self._server_figures = ServerFigures(worker)
        self._deep_health = Seldom(_check_deeply, self.DEEP_AGE, self.DEEP_LIMIT)
        self.registry = registry_of(worker)
        self.more_stats: dict[str, Callable[[], Any]] = {}
        self.answers: dict[str, Callable[[str], Awaitable[Answer]]] = {
            "/healthz": self._health,
            "/readyz": self._readiness,
            "/metrics": self._metrics,
            "/stats": self._stats,
        }

    async def _health(self, query: str) -> Answer:
        """Answering at all shows that the process and its loop are alive; `deep=1` has JetStream tried out as well."""
        if parse_qs(query).get("deep", ["0"]) == ["0"]:
            return _json({"status": "ok"})
        try:
            health = await self._deep_health.get()
        except TimeoutError as error:
            health = {"status": "failing", "seconds": None, "error": str(error)}
        return _json(health, status=200 if health["status"] == "ok" else 503)

    async def _readiness(self, _: str) -> Answer:
        readiness = self._worker.readiness()
        return _json({"ready": readiness.ready, "reason": readiness.reason}, status=200 if readiness.ready else 503)

    async def _metrics(self, _: str) -> Answer:
        return Answer(200, CONTENT_TYPE, exposition(self.registry))

    async def _stats(self, _: str) -> Answer:
        settings, readiness = self._settings, self._worker.readiness()
        return _json(
            {
                "service": settings.SERVICE_NAME,
                "context": settings.BOUNDED_CONTEXT,
                "version": self._version,
                "hostname": settings.HOSTNAME,
                "uptime_seconds": round(time.monotonic() - self._started, 3),
                "ready": readiness.ready,
                "reason": readiness.reason,
                "nats_connections": self._worker.nats.connections,
                "loop": self._worker.loop_watch.stats(),
                "subscriptions": self._worker.stats(),
                "actions": [],
                **{component.kind: component.stats() for component in self._worker.components},
                "server": await self._server_figures.get(),
                **{name: stats() for name, stats in self.more_stats.items()},
            }
        )


async def _check_deeply() -> dict[str, Any]:
    from src.toolkit.statistics import deep_health  # nothing of the toolkit is loaded where nobody asks for it

    health = await deep_health()
    return {"status": "ok" if health.healthy else "failing", "seconds": health.seconds, "error": health.error}


def _json(body: dict[str, Any], status: int = 200) -> Answer:
    return Answer(status, JSON, orjson.dumps(body))


def cannot_listen(host: str, port: int, error: OSError) -> ConfigurationError:
    """What to say where an address cannot be listened on."""
    return ConfigurationError(
        f"HTTP_PORT: cannot listen on {host}:{port} ({error.strerror}); choose another, or 0 for a free one"
    )
