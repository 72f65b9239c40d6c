"""Keeps the worker registered in Consul, and its TTL check up to date.

Consul's absence never stops consumption: every failure here is logged and tried again.
"""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Callable

from consul import ConsulException
from consul.aio import Consul

from src.config import VERSION, Settings
from src.infrastructure.errors import describe
from src.utils.logging import logger


class ConsulClient:
    """One service instance in Consul, registered in the background from the start.

    Args:
        settings: the service's settings.
        readiness: returns whether the worker works, and why not; decides whether the check passes.
        port: the port of the HTTP endpoints, for the registration.
    """

    TIME_LIMIT = 5.0  # seconds for one request
    STOP_LIMIT = 2.0  # seconds for the last request: messages wait to be given back
    LOOK = 1.0  # seconds between looks at the readiness: a change is reported at once
    PAUSE = 5.0  # seconds between attempts while Consul is away, at most
    FORGET_AFTER = "10m"  # Consul removes an instance that stayed critical this long; its minimum is a minute

    def __init__(self, settings: Settings, readiness: Callable[[], tuple[bool, str]], port: int) -> None:
        self.service_id = ""
        self._settings = settings
        self._readiness = readiness
        self._well = True  # whether the latest request did not fail
        host, token = settings.CONSUL_HOST, settings.CONSUL_TOKEN
        self._client = Consul(
            f"[{host}]" if ":" in host else host,
            settings.CONSUL_PORT,
            token=token and token.get_secret_value(),
            verify=False,  # this is plain HTTP
            connections_timeout=self.TIME_LIMIT,
        )
        self._task = asyncio.create_task(self._keep_registered(port), name="consul")

    async def deregister(self) -> None:
        """Remove the instance from Consul; this takes no longer than `STOP_LIMIT` and a moment."""
        while self._task.cancel():  # until it ends: aiohttp swallows a cancellation that comes with its own timeout
            await asyncio.wait([self._task], timeout=0.1)
        try:
            async with asyncio.timeout(self.STOP_LIMIT):
                await self._client.agent.service.deregister(self.service_id)
            logger.info("deregistered from Consul", service_id=self.service_id)
        except Exception as error:  # whatever it is, the worker goes on stopping
            logger.warning("not deregistered from Consul", error=describe(error))
        await self._client.close()

    async def _keep_registered(self, port: int) -> None:
        while True:
            try:
                await self._register(port)
                await self._send_heartbeats()
            except Exception as error:  # whatever it is, it must not end the attempts
                if self._well:
                    logger.warning("no heartbeat to Consul: trying again", error=describe(error))
                self._well = False
                await asyncio.sleep(self.PAUSE * random.uniform(0.2, 1))

    async def _register(self, port: int) -> None:
        settings = self._settings
        address = await asyncio.get_running_loop().run_in_executor(None, self._address)
        # No two instances share address and port. One that is started again takes its registration over.
        self.service_id = self.service_id or f"{settings.SERVICE_NAME}-{settings.HOSTNAME}-{address}-{port}"
        await self._client.agent.service.register(
            name=settings.SERVICE_NAME,
            service_id=self.service_id,
            address=address,
            port=port,
            tags=["worker", "python", settings.BOUNDED_CONTEXT],
            meta={"version": VERSION},
            check={
                "ttl": f"{settings.CONSUL_TTL:g}s",
                "name": "consuming",
                "status": "passing" if self._readiness()[0] else "critical",
                "deregistercriticalserviceafter": self.FORGET_AFTER,
            },
        )
        logger.info("registered in Consul", service_id=self.service_id, address=address, port=port)
        self._well = True

    async def _send_heartbeats(self) -> None:
        """Send heartbeats until the agent does not know the check, because it was replaced.

        Raises:
            ConsulException: it does not: new agents answer 404, old ones 500.
        """
        told: bool | None = None
        due = 0.0
        while True:
            ready, reason = self._readiness()
            if ready != told or time.monotonic() >= due:
                check = self._client.agent.check
                tell = check.ttl_pass if ready else check.ttl_fail
                if not await tell(f"service:{self.service_id}", reason):
                    raise ConsulException("the agent does not know the check")
                told = ready
                due = time.monotonic() + self._settings.CONSUL_TTL / 3 * random.uniform(0.8, 1)
            await asyncio.sleep(self.LOOK)

    def _address(self) -> str:
        """Return the address of the HTTP endpoints: `HTTP_HOST`, or the one that reaches Consul."""
        if self._settings.HTTP_HOST not in ("0.0.0.0", "::", ""):
            return self._settings.HTTP_HOST
        consul = (self._settings.CONSUL_HOST, self._settings.CONSUL_PORT)
        with socket.create_connection(consul, self.TIME_LIMIT) as probe:
            return str(probe.getsockname()[0])
