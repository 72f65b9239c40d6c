"""Starts the worker, waits for a signal, and shuts down in order."""

from __future__ import annotations

import signal
import sys

if __name__ == "__main__":
    # As the first process of a container, Python ignores SIGTERM until it has a handler, and importing takes a second.
    for early in (signal.SIGTERM, signal.SIGINT):
        signal.signal(early, lambda *_: sys.exit(0))

import asyncio

from src.config import VERSION, settings
from src.domain.handlers import register_handlers
from src.infrastructure.consul_client import ConsulClient
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.http_server import HttpServer
from src.infrastructure.worker import Worker
from src.utils.logging import configure_logging, logger


async def main() -> None:
    """Runs the worker until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: it cannot run as it is configured.
    """
    worker = Worker(settings)
    register_handlers(worker)
    http = HttpServer(settings, VERSION, worker)
    consul = ConsulClient(settings, VERSION, worker.readiness)
    stop = _stop_on_signals()

    logger.info("worker starting", version=VERSION)
    await http.start()
    consul.start(http.port)
    consuming = asyncio.create_task(worker.run())
    try:
        await asyncio.wait([consuming, stop], return_when=asyncio.FIRST_COMPLETED)
    finally:
        logger.info("worker stopping")
        worker.stopping = True  # unready from here on
        await consul.deregister()
        await worker.stop()
        await http.stop()
        logger.info("worker stopped")
    await consuming  # raises what it failed with


def _stop_on_signals() -> asyncio.Future[None]:
    """A future that is done when SIGTERM or SIGINT arrives."""
    loop = asyncio.get_running_loop()
    stop = loop.create_future()

    def shut_down(received: signal.Signals) -> None:
        logger.info("shutting down", signal=received.name)
        if not stop.done():
            stop.set_result(None)

    for received in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(received, shut_down, received)
    return stop


if __name__ == "__main__":
    configure_logging(settings.SERVICE_NAME, settings.LOG_LEVEL, settings.LOG_FORMAT)
    try:
        asyncio.run(main())
    except ConfigurationError as error:
        logger.critical(str(error))
        sys.exit(2)
