"""Starts the service, waits for a signal, and shuts down in order."""

from __future__ import annotations

import os
import signal
import sys

if __name__ == "__main__":
    # As the first process of a container, Python ignores SIGTERM until it has a handler, and importing takes a second.
    # Nothing has begun that would have to end in order, and libraries swallow the exception of `sys.exit`.
    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    for early in signals:
        signal.signal(early, lambda *_: os._exit(0))
    # The first process also inherits whatever handlers leave behind, so it only waits and passes signals on.
    if os.getpid() == 1 and (service := os.fork()):
        for number in signals:
            signal.signal(number, lambda number, _: os.kill(service, number))
        while (ended := os.wait())[0] != service:
            pass
        code = os.waitstatus_to_exitcode(ended[1])
        sys.exit(code if code >= 0 else 128 - code)  # as shells say that a signal ended it

import asyncio
import gc
import logging
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from src.config import VERSION, settings
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.http_server import HttpServer
from src.infrastructure.worker import Worker
from src.utils.logging import configure_logging, logger

EXIT_LIMIT = 2.0  # seconds that threads and `atexit` functions have at the end


async def main() -> None:
    """Run the service until SIGTERM, SIGINT or SIGHUP.

    Raises:
        ConfigurationError: it cannot run as configured.
    """
    if (Path(__file__).parent / "web" / "server.py").exists():  # a gateway, which has a server of its own
        await import_module("src.web.server").serve(*on_signals())
        return
    worker = Worker(settings)
    worker.register()
    worker.check()
    http = HttpServer(worker)
    stop, hurry = on_signals()

    logger.info("worker starting", version=VERSION, event_loop=type(asyncio.get_running_loop()).__module__)
    await http.start()
    gc.freeze()  # keeps the collector from scanning imported objects
    working = worker.start()
    worker.announce(http.port)
    with suppress(asyncio.CancelledError):  # see `run`
        await asyncio.wait([working, stop], return_when=asyncio.FIRST_COMPLETED)

    logger.info("worker stopping")
    await worker.stop(hurry)
    await http.stop()
    if working.done() and not working.cancelled():
        working.result()  # raises what it failed with
    logger.info("worker stopped")


def on_signals() -> tuple[asyncio.Future[None], asyncio.Future[None]]:
    """Return two futures: the first is done when SIGTERM, SIGINT or SIGHUP arrives, the other with the next signal."""
    loop = asyncio.get_running_loop()
    stop, hurry = loop.create_future(), loop.create_future()

    def received(number: signal.Signals) -> None:
        logger.info("signal received", signal=number.name)
        future = hurry if stop.done() else stop
        if not future.done():
            future.set_result(None)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, received, number)
    return stop, hurry


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> NoReturn:
    """Run a coroutine function, and exit: 0, 2 for a configuration error, 1 for another failure.

    `atexit` functions run. A handler that ignores being cancelled, or waits in a thread, holds the process for
    `EXIT_LIMIT`.
    """
    loops: Any = asyncio
    with suppress(ImportError):
        loops = import_module("uvloop")  # the faster event loop, if it is installed
    code = 0
    try:
        loop = loops.new_event_loop()  # not closed at the end: that would wait for tasks that ignore being cancelled
        task = loop.create_task(main())
        task.add_done_callback(lambda _: loop.stop())
        loop.run_forever()
        task.cancel()  # if it is not done, a handler stopped the loop
        loop.run_until_complete(task)
        if task.cancelling():
            raise RuntimeError("a handler stopped the event loop or cancelled all tasks")
    except ConfigurationError as error:
        logger.critical(str(error))
        code = 2
    except Exception:
        logger.critical("worker failed", exc_info=True)
        code = 1
    logging.shutdown()
    last = threading.Timer(EXIT_LIMIT, os._exit, [code])
    last.daemon = True
    last.start()
    sys.exit(code)


if __name__ == "__main__":
    configure_logging(settings.SERVICE_NAME, settings.LOG_LEVEL, settings.LOG_FORMAT)
    run(main)
