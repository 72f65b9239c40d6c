"""The process: its signals, its loop and how it ends."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from src.infrastructure.errors import ConfigurationError
from src.utils.event_loop import fastest_event_loop
from src.utils.logging import logger


def on_signals(count: int) -> list[asyncio.Future[None]]:
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


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs a coroutine function, and ends the process as soon as it has ended.

    A handler that does not let itself be cancelled, or that waits in a thread, would hold it for ever. The exit code is
    2 where it cannot run as it is configured, and 1 where it failed otherwise.
    """

    async def run_and_exit() -> None:
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

    with asyncio.Runner(loop_factory=fastest_event_loop()) as runner:
        runner.run(run_and_exit())
