"""Starts the service, waits for a signal, and shuts down in order."""

from __future__ import annotations

import signal
import sys

if __name__ == "__main__":
    # As the first process of a container, Python ignores SIGTERM until it has a handler, and importing takes a second.
    for early in (signal.SIGTERM, signal.SIGINT):
        signal.signal(early, lambda *_: sys.exit(0))

import asyncio
from importlib import import_module
from pathlib import Path

from src.config import VERSION, settings
from src.infrastructure.http_server import HttpServer
from src.infrastructure.service import Service
from src.utils.logging import configure_logging, logger
from src.utils.process import on_signals, run


async def main() -> None:
    """Runs the service until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: it cannot run as it is configured.
    """
    if (Path(__file__).parent / "web" / "server.py").exists():  # a gateway, which has a server of its own
        await import_module("src.web.server").serve()
    else:
        await work()


async def work() -> None:
    """Runs a worker: its handlers and actions, and beside them the endpoints for probes and scrapes."""
    service = Service(settings)
    service.worker.check()
    http = HttpServer(settings, VERSION, service.worker)
    stop, hurry = on_signals(2)

    logger.info("worker starting", version=VERSION, event_loop=type(asyncio.get_running_loop()).__module__)
    await http.start()
    working = service.start(http.port)
    await asyncio.wait([working, stop], return_when=asyncio.FIRST_COMPLETED)

    logger.info("worker stopping")
    await service.leave()  # unready from here on
    await service.stop(hurry)
    await http.stop()
    if working.done():
        working.result()  # raises what it failed with
    logger.info("worker stopped")


if __name__ == "__main__":
    configure_logging(settings.SERVICE_NAME, settings.LOG_LEVEL, settings.LOG_FORMAT)
    run(main)
