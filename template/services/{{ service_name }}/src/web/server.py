"""Serves the gateway with uvicorn, and stops it without losing a request."""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn

from src.config import VERSION, settings
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.http_server import cannot_listen
from src.infrastructure.nats_client import until
from src.utils.logging import logger
from src.web.app import app
from src.web.connections import BoundedConnection
from src.web.lifespan import worker
from src.web.settings import settings as web_settings

BACKLOG = 2048  # connections that may wait to be accepted
ACCEPTED_AT_ONCE = 32  # connections accepted before excess ones are closed
LAST_RESPONSES = 2.0  # seconds to respond to cancelled requests, because a framework needs time to unwind


async def serve(stop: asyncio.Future[None], hurry: asyncio.Future[None]) -> None:
    """Serve until `stop` is done.

    Args:
        stop: done at the first signal.
        hurry: done at the second signal, which ends all waiting.

    Raises:
        ConfigurationError: the gateway cannot run as configured.
    """
    server = Server()
    logger.info("gateway starting", version=VERSION, event_loop=type(asyncio.get_running_loop()).__module__)
    listening = [listen("HTTP_PORT", settings.HTTP_PORT)]  # connections wait until the application has started
    if web_settings.HTTP_INTERNAL_PORT != settings.HTTP_PORT:
        listening.append(listen("HTTP_INTERNAL_PORT", web_settings.HTTP_INTERNAL_PORT))
    port, app.internal_port = listening[0].getsockname()[1], listening[-1].getsockname()[1]
    working = worker.start()
    serving = await server.start(listening, working, stop)
    if server.started:
        worker.announce(port)
        logger.info("http server started", host=settings.HTTP_HOST, port=port, internal_port=app.internal_port)
    with suppress(asyncio.CancelledError):  # see `src.main.run`
        await asyncio.wait([working, serving, stop], return_when=asyncio.FIRST_COMPLETED)

    logger.info("gateway stopping")
    deadline = time.monotonic() + web_settings.HTTP_DRAIN_TIME + settings.GRACEFUL_SHUTDOWN_TIMEOUT
    await worker.leave()  # unready from now on
    if server.started:
        await until(serving.done, time.monotonic() + web_settings.HTTP_DRAIN_TIME, hurry)
    await server.stop(serving, hurry)
    await worker.stop(hurry, max(deadline - time.monotonic(), 0))
    for task in (working, serving):
        if task.done() and not task.cancelled():
            task.result()  # raises the error that ended it
    logger.info("gateway stopped")


def listen(setting: str, port: int) -> socket.socket:
    """Return a socket on `HTTP_HOST` and a port.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """
    host = settings.HTTP_HOST
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise cannot_listen(host, port, error, setting) from error


class Server(uvicorn.Server):
    """uvicorn, with the service's logs and without its own signal handlers."""

    def __init__(self) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=BoundedConnection,
                lifespan="on",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=ACCEPTED_AT_ONCE,
                timeout_graceful_shutdown=math.ceil(settings.GRACEFUL_SHUTDOWN_TIMEOUT),
            )
        )

    async def start(self, listening: list[socket.socket], *ends: asyncio.Future[None]) -> asyncio.Task[None]:
        """Start the application, and return when it answers, has failed to start, or one of `ends` is done.

        Returns:
            The task that serves until `stop`. If it has failed, its exception says why.
        """
        if settings.LOG_LEVEL != "DEBUG":
            # the gateway logs requests; a line for each malformed one could flood the log
            logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        serving = asyncio.create_task(self._serve_on(listening), name="http")
        await until(lambda: self.started or any(end.done() for end in (serving, *ends)), math.inf)
        for one in listening:
            one.listen(BACKLOG)  # uvicorn uses one number for this and for the connections accepted at once
        return serving

    async def stop(self, serving: asyncio.Task[None], hurry: asyncio.Future[None]) -> None:
        """Answer the requests that have arrived, within `GRACEFUL_SHUTDOWN_TIMEOUT` or until `hurry` is done.

        An application that still starts is cancelled; one that does not end in time is left behind.
        """
        self.should_exit = True
        if app.lifespan and not self.started:
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # it would log the cancellation
            app.lifespan.cancel()
        await until(serving.done, time.monotonic() + settings.GRACEFUL_SHUTDOWN_TIMEOUT + LAST_RESPONSES, hurry)
        self.force_exit = True
        await asyncio.wait([serving], timeout=LAST_RESPONSES)  # since Python 3.12, it waits for open connections
        if (cut_short := self.server_state.tasks) and not hurry.done():
            await asyncio.wait(set(cut_short), timeout=LAST_RESPONSES)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `serve`."""
        yield

    async def _serve_on(self, listening: list[socket.socket]) -> None:
        try:
            await self.serve(sockets=listening)
        except SystemExit as error:  # uvicorn would end the process
            if not self.should_exit:
                raise ConfigurationError("the application could not start; the log says why") from error
