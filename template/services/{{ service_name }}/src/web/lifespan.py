"""The one service of this process, and its life around the application's."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from src.infrastructure.service import Service
from src.utils.logging import configure_logging, logger
from src.web.config import settings

service = Service(settings)


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    """The connection to NATS, and with it handlers, actions and Consul, while the application serves.

    `python -m src.main` starts the service before the application and stops it afterwards, in the order that loses
    nothing. Any other server (`uvicorn src.web.app:app`) knows of the application alone: then it is done here.
    """
    if service.working:
        yield
        return
    configure_logging(settings.SERVICE_NAME, settings.LOG_LEVEL, settings.LOG_FORMAT)
    service.start(settings.HTTP_PORT).add_done_callback(_ended)
    try:
        yield
    finally:
        await service.stop()


def _ended(working: asyncio.Task[None]) -> None:
    """Where the service cannot go on, nor does the server."""
    if not working.cancelled() and (error := working.exception()) and not service.worker.stopping:
        logger.critical("the service failed", exc_info=error)
        signal.raise_signal(signal.SIGTERM)
