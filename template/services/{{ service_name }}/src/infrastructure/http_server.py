"""The HTTP endpoints: `/healthz`, `/readyz`, `/metrics`, `/stats`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web
from prometheus_client import generate_latest
from pydantic_core import to_json

from src.config import VERSION
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.worker import Worker
from src.utils.logging import logger

Answer = tuple[int, str, bytes]  # status, content type and body


def endpoints(worker: Worker) -> dict[str, Callable[[], Answer]]:
    """Return the function that answers each path; the server of a gateway calls it too."""
    settings = worker.settings

    def readiness() -> Answer:
        found = worker.readiness()
        return _json(found._asdict(), status=200 if found.ready else 503)

    def stats() -> Answer:
        about = {
            "service": settings.SERVICE_NAME,
            "context": settings.BOUNDED_CONTEXT,
            "version": VERSION,
            "hostname": settings.HOSTNAME,
        }
        connections = {"nats_connections": worker.nats.connections}
        return _json({**about, **worker.readiness()._asdict(), **connections, **worker.stats()})

    return {
        "/healthz": lambda: _json({"status": "ok"}),  # an answer shows that process and event loop are alive
        "/readyz": readiness,
        "/metrics": lambda: (200, "text/plain; version=0.0.4; charset=utf-8", generate_latest()),
        "/stats": stats,
    }


class HttpServer:
    """Answers probes and scrapes on `HTTP_HOST` and `HTTP_PORT`.

    Args:
        worker: the worker that the answers are about.

    Attributes:
        port: the port it listens on, after `start`.
    """

    CLOSE_LIMIT = 1.0  # seconds that open requests have to end

    def __init__(self, worker: Worker) -> None:
        self._settings = worker.settings
        self._endpoints = endpoints(worker)
        application = web.Application()
        for path in self._endpoints:
            application.router.add_get(path, self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=self.CLOSE_LIMIT)
        self.port = 0

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigurationError: the address cannot be listened on.
        """
        host, port = self._settings.HTTP_HOST, self._settings.HTTP_PORT
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            raise cannot_listen(host, port, error) from error
        self.port = self._runner.addresses[0][1]
        logger.info("http server started", host=host, port=self.port)

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        status, content_type, body = self._endpoints[request.path]()
        return web.Response(status=status, body=body, headers={"Content-Type": content_type})


def cannot_listen(host: str, port: int, error: OSError, setting: str = "HTTP_PORT") -> ConfigurationError:
    """Return the error for an address that cannot be listened on."""
    return ConfigurationError(
        f"{setting}: cannot listen on {host}:{port} ({error.strerror}); choose another port, or 0 for a free one"
    )


def _json(body: dict[str, Any], status: int = 200) -> Answer:
    return status, "application/json", to_json(body, fallback=str)
