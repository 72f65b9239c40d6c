"""The HTTP endpoints: `/healthz`, `/readyz`, `/metrics`, `/stats`."""

from __future__ import annotations

import time
from typing import Any

import orjson
from aiohttp import web

from src.config import Settings
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.metrics import CONTENT_TYPE, exposition, registry_of
from src.infrastructure.worker import Worker
from src.utils.logging import logger


class HttpServer:
    """Answers probes and scrapes.

    Args:
        settings: the service's settings.
        version: of the service.
        worker: what the answers are about.
    """

    CLOSE_LIMIT = 1.0  # seconds that open requests have to end

    def __init__(self, settings: Settings, version: str, worker: Worker) -> None:
        self._settings = settings
        self._version = version
        self._worker = worker
        self._registry = registry_of(worker)
        self._started = time.monotonic()
        application = web.Application()
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_get("/metrics", self._metrics)
        application.router.add_get("/stats", self._stats)
        self._runner = web.AppRunner(
            application, access_log=None, handle_signals=False, shutdown_timeout=self.CLOSE_LIMIT
        )
        self.port = 0

    async def start(self) -> None:
        """Listens on `HTTP_HOST` and `HTTP_PORT`.

        Raises:
            ConfigurationError: the address cannot be listened on.
        """
        host, port = self._settings.HTTP_HOST, self._settings.HTTP_PORT
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            raise ConfigurationError(
                f"HTTP_PORT: cannot listen on {host}:{port} ({error.strerror}); choose another, or 0 for a free one"
            ) from error
        self.port = self._runner.addresses[0][1]
        logger.info("http server started", host=host, port=self.port)

    async def stop(self) -> None:
        """Stops listening."""
        await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        """Answering at all shows that the process and its loop are alive."""
        return _json({"status": "ok"})

    async def _readyz(self, _: web.Request) -> web.Response:
        readiness = self._worker.readiness()
        return _json({"ready": readiness.ready, "reason": readiness.reason}, status=200 if readiness.ready else 503)

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=exposition(self._registry), headers={"Content-Type": CONTENT_TYPE})

    async def _stats(self, _: web.Request) -> web.Response:
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
            }
        )


def _json(body: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")
