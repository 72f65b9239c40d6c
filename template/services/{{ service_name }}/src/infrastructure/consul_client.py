"""Keeps the worker registered in Consul and its TTL check telling the truth.

Consul's absence never stops consumption: every failure here is logged and tried again.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable

from src.config import Settings
from src.infrastructure.consul.consul_agent import consul_of
from src.infrastructure.consul.consul_library import Check, Consul, ConsulException
from src.infrastructure.errors import named
from src.infrastructure.worker import Readiness
from src.utils.logging import logger


class ConsulClient:
    """One service instance in Consul.

    Args:
        settings: the service's settings.
        version: of the service, for the registration's metadata.
        readiness: whether the worker consumes; decides whether the check passes.
    """

    TIME_LIMIT = 5.0  # seconds for one request
    STOP_LIMIT = 2.0  # seconds for the last request: messages wait to be given back
    LOOK = 1.0  # seconds between looks at the readiness: a change is reported at once
    REGISTER_AGAIN = 60.0  # seconds between registrations: an agent that was replaced has forgotten
    RETRY = (1.0, 15.0)  # seconds between attempts while Consul is away, first and longest
    FORGET_AFTER = "10m"  # Consul removes an instance that stayed critical this long; its minimum is a minute

    def __init__(self, settings: Settings, version: str, readiness: Callable[[], Readiness]) -> None:
        self._settings = settings
        self._version = version
        self._readiness = readiness
        self._client: Consul | None = None
        self._task: asyncio.Task[None] | None = None
        self._port = 0
        self._may_be_registered = False  # also where an answer was lost: so it is taken out again at the end
        self._well = True

    @property
    def service_id(self) -> str:
        """The instance's id: stable, so that a restart takes over its own registration."""
        return f"{self._settings.SERVICE_NAME}-{self._settings.HOSTNAME}"

    @property
    def _check_id(self) -> str:
        return f"service:{self.service_id}"

    def start(self, port: int) -> None:
        """Registers and sends heartbeats in the background.

        Args:
            port: of the HTTP endpoints, which the registration names.
        """
        self._port = port
        self._client = consul_of(self._settings, self.TIME_LIMIT)
        self._task = asyncio.create_task(self._keep_registered(self._client), name="consul")

    async def deregister(self) -> None:
        """Takes the instance out of Consul; takes no longer than `STOP_LIMIT` and a moment."""
        if self._client is None or self._task is None:
            return
        self._task.cancel()
        await asyncio.wait([self._task])
        try:
            if self._may_be_registered:
                async with asyncio.timeout(self.STOP_LIMIT):
                    await self._client.agent.service.deregister(self.service_id)
                logger.info("deregistered from Consul", service_id=self.service_id)
        except Exception as error:  # whatever it is, the worker goes on stopping
            logger.warning("not deregistered from Consul", error=named(error))
        await self._client.close()

    async def _keep_registered(self, client: Consul) -> None:
        retry, longest = self.RETRY
        while True:
            try:
                await self._register(client)
                retry = self.RETRY[0]
                await self._send_heartbeats(client)
            except Exception as error:  # whatever it is, it must not end the attempts
                if self._well:
                    logger.warning("Consul does not answer as it should: trying again", error=named(error))
                self._well = False
                await asyncio.sleep(retry * random.uniform(0.5, 1))
                retry = min(2 * retry, longest)

    async def _register(self, client: Consul) -> None:
        settings = self._settings
        check = Check.ttl(f"{settings.CONSUL_TTL:g}s") | {
            "name": "consuming",
            "checkid": self._check_id,
            "status": "passing" if self._readiness().ready else "critical",
            "deregistercriticalserviceafter": self.FORGET_AFTER,
        }
        address = await asyncio.get_running_loop().run_in_executor(None, self._address)
        first = not self._may_be_registered or not self._well
        self._may_be_registered = True
        await client.agent.service.register(
            name=settings.SERVICE_NAME,
            service_id=self.service_id,
            address=address,
            port=self._port,
            tags=["worker", "python", settings.BOUNDED_CONTEXT],
            meta={"version": self._version},
            check=check,
        )
        self._well = True
        if first:
            logger.info("registered in Consul", service_id=self.service_id, address=address, port=self._port)

    async def _send_heartbeats(self, client: Consul) -> None:
        """Until the registration is due again.

        Raises:
            ConsulException: the agent does not know the check: new agents say 404, old ones 500.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self.REGISTER_AGAIN
        told: bool | None = None
        due = 0.0
        while loop.time() < until:
            readiness = self._readiness()
            if readiness.ready != told or loop.time() >= due:
                tell = client.agent.check.ttl_pass if readiness.ready else client.agent.check.ttl_fail
                if not await tell(self._check_id, readiness.reason):
                    raise ConsulException("the agent does not know the check")
                told = readiness.ready
                due = loop.time() + self._settings.CONSUL_TTL / 3 * random.uniform(0.8, 1)
            await asyncio.sleep(min(self.LOOK, self._settings.CONSUL_TTL / 3))

    def _address(self) -> str:
        """The address under which the HTTP endpoints can be reached: the one that reaches Consul, unless one is set."""
        if self._settings.HTTP_HOST not in ("0.0.0.0", "::", ""):
            return self._settings.HTTP_HOST
        host = (self._settings.CONSUL_HOST, self._settings.CONSUL_PORT)
        family, kind, protocol, _, address = socket.getaddrinfo(*host, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(address)  # sends nothing: it only makes the system choose a local address
            return str(probe.getsockname()[0])
