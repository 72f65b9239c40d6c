"""What `/healthz`, `/readyz`, `/metrics` and `/stats` answer, whatever server is asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from src.config import Settings
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.metrics import CONTENT_TYPE, exposition, registry_of
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
        answers: what makes the answer, by path.
        more_stats: further parts of `/stats`, by name.
    """

    def __init__(self, settings: Settings, version: str, worker: Worker) -> None:
        self._settings = settings
        self._version = version
        self._worker = worker
        self._started = time.monotonic()
        self.registry = registry_of(worker)
        self.more_stats: dict[str, Callable[[], Any]] = {}
        self.answers: dict[str, Callable[[], Answer]] = {
            "/healthz": self._health,
            "/readyz": self._readiness,
            "/metrics": self._metrics,
            "/stats": self._stats,
        }

    def _health(self) -> Answer:
        """Answering at all shows that the process and its loop are alive."""
        return _json({"status": "ok"})

    def _readiness(self) -> Answer:
        readiness = self._worker.readiness()
        return _json({"ready": readiness.ready, "reason": readiness.reason}, status=200 if readiness.ready else 503)

    def _metrics(self) -> Answer:
        return Answer(200, CONTENT_TYPE, exposition(self.registry))

    def _stats(self) -> Answer:
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
                "nats_connections": self._worker.nats.connection,
                "loop": self._worker.loop_watch.stats(),
                "subscriptions": self._worker.stats(),
                "actions": self._worker.actions.stats(),
                **{name: stats() for name, stats in self.more_stats.items()},
            }
        )


def _json(body: dict[str, Any], status: int = 200) -> Answer:
    return Answer(status, JSON, orjson.dumps(body))


def cannot_listen(host: str, port: int, error: OSError) -> ConfigurationError:
    """What to say where an address cannot be listened on."""
    return ConfigurationError(
        f"HTTP_PORT: cannot listen on {host}:{port} ({error.strerror}); choose another, or 0 for a free one"
    )
