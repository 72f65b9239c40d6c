"""The worker of this process, started and stopped with the application."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from src.config import settings
from src.infrastructure.worker import Worker
from src.utils.logging import configure_logging, logger

worker = Worker(settings)
worker.register()


@asynccontextmanager
async def lifespan(_: object = None) -> AsyncIterator[None]:
    """Run the worker while the application serves, unless `src.web.server` does that already.

    `python -m src.main` starts and stops both in the order that loses no request. Other servers
    (`uvicorn src.web.app:app`) know only the application.

    Args:
        _: the application, which FastAPI passes.
    """
    if worker.working:
        yield
        return
    configure_logging(settings.SERVICE_NAME, settings.LOG_LEVEL, settings.LOG_FORMAT)
    worker.start().add_done_callback(_ended)
    worker.announce(settings.HTTP_PORT)
    try:
        yield
    finally:
        await worker.stop()


def _ended(working: asyncio.Task[None]) -> None:
    """End the server if the worker fails."""
    if not working.cancelled() and (error := working.exception()) and not worker.stopping:
        logger.critical("the service failed", exc_info=error)
        signal.raise_signal(signal.SIGTERM)
