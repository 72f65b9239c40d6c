"""The HTTP endpoints: `/healthz`, `/readyz`, `/metrics`, `/stats`. `watching/operations.py` says what they answer."""

from __future__ import annotations

from aiohttp import web

from src.config import Settings
from src.infrastructure.watching.operations import Operations, cannot_listen
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
        self._operations = Operations(settings, version, worker)
        application = web.Application()
        for path in self._operations.answers:
            application.router.add_get(path, self._answer)
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
            raise cannot_listen(host, port, error) from error
        self.port = self._runner.addresses[0][1]
        logger.info("http server started", host=host, port=self.port)

    async def stop(self) -> None:
        """Stops listening."""
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        answer = await self._operations.answers[request.path](request.query_string)
        return web.Response(status=answer.status, body=answer.body, headers={"Content-Type": answer.content_type})
