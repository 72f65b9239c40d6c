"""The service as a whole: its worker, its registration in Consul and the watch on its loop, started and stopped in
order.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from src.config import VERSION, Settings
from src.domain.handlers import register_handlers
from src.infrastructure.wiring.component import register_components
from src.infrastructure.worker import Worker
from src.utils.logging import logger

if TYPE_CHECKING:
    from src.infrastructure.consul_client import ConsulClient


class Service:
    """Everything but the server that answers HTTP.

    Args:
        settings: the service's settings.

    Attributes:
        worker: with every part of the service.
        working: its work, from `start` on.

    Raises:
        ConfigurationError: a part does not fit.
    """

    def __init__(self, settings: Settings) -> None:
        self.worker = Worker(settings)
        register_handlers(self.worker)
        register_components(self.worker)
        self.working: asyncio.Task[None] | None = None
        self._settings = settings
        self._consul: ConsulClient | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None

    def start(self, port: int) -> asyncio.Task[None]:
        """Begins to work, in the background.

        Args:
            port: that `/readyz` is answered on, for the registration.

        Returns:
            The work, which lasts until `stop`. That it ends before is its failure.
        """
        self.worker.loop_watch.start()
        self._consul = _consul_client(self._settings, self.worker)
        if self._consul:
            self._consul.start(port)
        self.working = asyncio.create_task(self.worker.run(), name="worker")
        return self.working

    async def leave(self) -> None:
        """Says that it is not ready any more, to probes and to Consul; it works on."""
        self._leaving = self._leaving or asyncio.create_task(self._leave(), name="leave")
        await self._leaving

    async def stop(self, hurry: asyncio.Future[None] | None = None, limit: float | None = None) -> None:
        """Stops in order; a second time it only waits for that.

        Args:
            hurry: when done, running handlers and actions are not waited for any longer.
            limit: seconds that they have; `GRACEFUL_SHUTDOWN_TIMEOUT` unless given.
        """
        self._stopping = self._stopping or asyncio.create_task(self._stop(hurry, limit), name="stop")
        await self._stopping

    async def _leave(self) -> None:
        self.worker.stopping = True  # unready from here on, and before Consul is told
        if self._consul:
            await self._consul.deregister()

    async def _stop(self, hurry: asyncio.Future[None] | None, limit: float | None) -> None:
        await self.leave()
        await self.worker.stop(hurry, limit)
        self.worker.loop_watch.stop()


def _consul_client(settings: Settings, worker: Worker) -> ConsulClient | None:
    if not settings.CONSUL_ENABLED:
        logger.info("not registering in Consul: CONSUL_ENABLED is off")
        return None
    from src.infrastructure.consul_client import ConsulClient  # Consul's client is left out where it is not used

    return ConsulClient(settings, VERSION, worker.readiness)
