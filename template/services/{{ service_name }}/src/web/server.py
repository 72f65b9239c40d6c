"""Serves the gateway's application with uvicorn, and ends it in an order that loses no request."""

from __future__ import annotations

import asyncio
import logging
import math
import socket
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module

import uvicorn

from src.config import VERSION
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.watching.operations import cannot_listen
from src.utils.logging import logger
from src.utils.process import on_signals
from src.web.asgi import Application
from src.web.config import WebSettings, settings
from src.web.lifespan import service


async def serve() -> None:
    """Serves until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: it cannot run as it is configured.
    """
    server = WebServer(settings, import_module("src.web.app").app)
    stop, hurry = on_signals(2)

    logger.info("gateway starting", version=VERSION, event_loop=type(asyncio.get_running_loop()).__module__)
    working = service.start(server.listen())
    serving = await server.start()
    await asyncio.wait([working, serving, stop], return_when=asyncio.FIRST_COMPLETED)

    logger.info("gateway stopping")
    deadline = asyncio.get_running_loop().time() + settings.HTTP_DRAIN_TIME + settings.GRACEFUL_SHUTDOWN_TIMEOUT
    await service.leave()  # unready from here on
    await server.stop(hurry)
    await service.stop(hurry, max(deadline - asyncio.get_running_loop().time(), 0))
    for task in (working, serving):
        if task.done():
            task.result()  # raises what it failed with
    logger.info("gateway stopped")


class WebServer:
    """uvicorn, with the service's settings and logs, and without its own signal handlers.

    Args:
        settings: the service's settings.
        application: what it serves.
    """

    BACKLOG = 2048  # connections that may wait to be accepted
    LAST_WORDS = 2.0  # seconds for requests that were cut short to be answered: a framework takes its time to unwind

    def __init__(self, settings: WebSettings, application: Application) -> None:
        self._settings = settings
        self._server = _Server(
            uvicorn.Config(
                application,
                lifespan="on",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=self.BACKLOG,
                timeout_graceful_shutdown=math.ceil(settings.GRACEFUL_SHUTDOWN_TIMEOUT),
            )
        )
        self._socket: socket.socket | None = None
        self._serving: asyncio.Task[None] | None = None

    def listen(self) -> int:
        """Takes `HTTP_HOST` and `HTTP_PORT`, and returns the port. What comes waits until `start`.

        Raises:
            ConfigurationError: the address cannot be listened on.
        """
        host, port = self._settings.HTTP_HOST, self._settings.HTTP_PORT
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family, backlog=self.BACKLOG)
        except OSError as error:
            raise cannot_listen(host, port, error) from error
        return int(self._socket.getsockname()[1])

    async def start(self) -> asyncio.Task[None]:
        """Starts the application, and returns when it answers.

        Returns:
            The serving, which lasts until `stop`.

        Raises:
            ConfigurationError: the application's own lifespan failed; why is in the log.
        """
        assert self._socket is not None, "listen comes first"
        if self._settings.LOG_LEVEL != "DEBUG":
            logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # what it tells beyond is told here
        self._serving = asyncio.create_task(self._serve(self._socket), name="http")
        started = asyncio.create_task(self._server.begun.wait())
        await asyncio.wait([started, self._serving], return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if self._serving.done():
            self._serving.result()
        host, port = self._socket.getsockname()[:2]
        logger.info("http server started", host=host, port=port)
        return self._serving

    async def stop(self, hurry: asyncio.Future[None]) -> None:
        """Takes requests for `HTTP_DRAIN_TIME` more, then answers those that came, within `GRACEFUL_SHUTDOWN_TIMEOUT`.

        Args:
            hurry: when done, nothing of that is waited for.
        """
        assert self._serving is not None, "start comes first"
        either = [hurry, self._serving]
        await asyncio.wait(either, timeout=self._settings.HTTP_DRAIN_TIME, return_when=asyncio.FIRST_COMPLETED)
        self._server.should_exit = True
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        self._server.force_exit = True
        await asyncio.wait([self._serving])
        if (cut_short := self._server.server_state.tasks) and not hurry.done():
            await asyncio.wait(set(cut_short), timeout=self.LAST_WORDS)

    async def _serve(self, listening: socket.socket) -> None:
        try:
            await self._server.serve(sockets=[listening])
        except SystemExit as error:  # a server that could not start ends the process, were it not for this
            raise ConfigurationError("the application could not start; the log says why") from error


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it has begun, and leaves signals to `serve`."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.begun = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.begun.set()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield
