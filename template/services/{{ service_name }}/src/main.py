"""Starts the worker, waits for a signal, and shuts down in order."""

from __future__ import annotations

import signal
import sys

if __name__ == "__main__":
    # As the first process of a container, Python ignores SIGTERM until it has a handler, and importing takes a second.
    for early in (signal.SIGTERM, signal.SIGINT):
        signal.signal(early, lambda *_: sys.exit(0))

import asyncio
import logging
import os
from typing import TYPE_CHECKING

from src.config import VERSION, settings
from src.domain.actions import register_actions
from src.domain.handlers import register_handlers
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.http_server import HttpServer
from src.infrastructure.worker import Worker
from src.utils.event_loop import fastest_event_loop
from src.utils.logging import configure_logging, logger

if TYPE_CHECKING:
    from src.infrastructure.consul_client import ConsulClient


async def main() -> None:
    """Runs the worker until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: it cannot run as it is configured.
    """
    worker = Worker(settings)
    register_handlers(worker)
    register_actions(worker)
    worker.check()
    http = HttpServer(settings, VERSION, worker)
    consul = _consul_client(worker)
    stop, hurry = _on_signals(2)

    logger.info("worker starting", version=VERSION, event_loop=type(asyncio.get_running_loop()).__module__)
    worker.loop_watch.start()
    await http.start()
    if consul:
        consul.start(http.port)
    consuming = asyncio.create_task(worker.run())
    await asyncio.wait([consuming, stop], return_when=asyncio.FIRST_COMPLETED)

    logger.info("worker stopping")
    worker.stopping = True  # unready from here on
    if consul:
        await consul.deregister()
    await worker.stop(hurry)
    await http.stop()
    worker.loop_watch.stop()
    if consuming.done():
        consuming.result()  # raises what it failed with
    logger.info("worker stopped")


def _consul_client(worker: Worker) -> ConsulClient | None:
    if not settings.CONSUL_ENABLED:
        logger.info("not registering in Consul: CONSUL_ENABLED is off")
        return None
    from src.infrastructure.consul_client import ConsulClient  # Consul's client is left out where it is not used

    return ConsulClient(settings, VERSION, worker.readiness)


def _on_signals(count: int) -> list[asyncio.Future[None]]:
    """As many futures; the first is done when SIGTERM or SIGINT arrives, the next with the next signal."""
    loop = asyncio.get_running_loop()
    futures = [loop.create_future() for _ in range(count)]

    def received(number: signal.Signals) -> None:
        logger.info("signal received", signal=number.name)
        for future in futures:
            if not future.done():
                future.set_result(None)
                return

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, received, number)
    return futures


async def _run_and_exit() -> None:
    """Ends the process as soon as `main` has ended.

    A handler that does not let itself be cancelled, or that waits in a thread, would hold it for ever.
    """
    code = 0
    try:
        await main()
    except ConfigurationError as error:
        logger.critical(str(error))
        code = 2
    except Exception:
        logger.critical("worker failed", exc_info=True)
        code = 1
    logging.shutdown()
    os._exit(code)


if __name__ == "__main__":
    configure_logging(settings.SERVICE_NAME, settings.LOG_LEVEL, settings.LOG_FORMAT)
    with asyncio.Runner(loop_factory=fastest_event_loop()) as runner:
        runner.run(_run_and_exit())
