"""The connection to NATS: made with patience, watched, and replaced whenever it dies."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from functools import partial

import nats.errors
from nats.aio.client import Client

from src.config import Settings
from src.infrastructure.connection.credentials import credentials
from src.infrastructure.connection.discovery import is_discovered, server_addresses
from src.infrastructure.connection.nats_internals import LenientClient, abort, discard, flush, reconnect
from src.infrastructure.connection.pulse import Pulse
from src.infrastructure.errors import ConfigurationError, named
from src.utils.logging import logger


class NatsConnection:
    """One connection that never gives up.

    nats-py's own defaults end a worker: it gives up after 60 attempts and needs six minutes to notice a dead link.
    Here attempts have no end, and a link that is dead in both directions is noticed after `Pulse.DEAD_AFTER`. Then, and
    until there is a new connection, `connected` is false.
    """

    PING_INTERVAL = 10  # seconds between nats-py's own; the third without an answer ends what `Pulse` takes for alive
    FIRST_WAIT = 0.1  # seconds between the first two attempts
    PENDING_SIZE = 16 * 1024 * 1024  # bytes that may wait to be sent while the connection is away
    CLOSE_LIMIT = 2.0  # seconds that the last flush may take, and as much again the closing
    FLUSH_TIMEOUT = 5.0  # seconds that a full buffer may hold up a publish
    HALF_OPEN = 1.0  # seconds that an old connection has to close before it is torn down
    STUCK = 2.0  # seconds that an old connection has to close before its client is replaced
    QUIET = 10.0  # seconds without any attempt to reconnect, after which the client is replaced; one takes 8 by default

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._failures = 0
        self._closing = False
        self._listeners: list[Callable[[], None]] = []
        self._keeper: asyncio.Task[None] | None = None
        slower = (
            3 * (settings.NATS_CONNECT_TIMEOUT - 2) + settings.NATS_RECONNECT_WAIT - 2
        )  # than an attempt by default
        self._quiet = self.QUIET + max(0.0, slower)
        self._last_sign = 0.0  # loop time of the latest news of the connection
        self._leaving_since: float | None = None  # loop time at which an old connection began to close
        self._left = False  # whether nats-py is done with the old connection
        self._connected = asyncio.Event()
        self._newest = self.client = LenientClient()  # the newest is still connecting while another is in use
        self._pulse = Pulse(self.client)
        self.connections = 0  # counts connections: a changed number means that the server has forgotten this client

    @property
    def connected(self) -> bool:
        """Whether there is a connection right now that has not been found dead."""
        return self._connected.is_set() and self.client.is_connected

    def on_connection(self, listener: Callable[[], None]) -> None:
        """Has `listener` called after every connect and reconnect."""
        self._listeners.append(listener)

    async def connect(self) -> None:
        """Returns once connected, however long that takes.

        Raises:
            ConfigurationError: the credentials, certificates or addresses cannot be used.
        """
        try:
            await self._connect()
        except Exception as error:  # what passes with time does not get here
            raise ConfigurationError(
                f"cannot connect to NATS with the NATS_... settings as they are: {named(error)}"
            ) from error
        self._keeper = asyncio.create_task(self._keep(), name="nats")

    async def wait_connected(self, limit: float) -> None:
        """Returns when connected, or after `limit` seconds."""
        try:
            async with asyncio.timeout(limit):
                while not self.connected:
                    self._connected.clear()  # nats-py may know of the loss, and not have said so yet
                    await self._connected.wait()
        except TimeoutError:
            pass

    async def _connect(self) -> None:
        servers = await self._discover()
        self._newest = client = LenientClient()
        pulse = Pulse(client)
        try:
            await client.connect(
                servers=servers,
                name=f"{self._settings.SERVICE_NAME}-{self._settings.HOSTNAME}",
                inbox_prefix=f"_INBOX_{self._settings.SERVICE_NAME}",  # `_INBOX.>` would let others read the replies
                connect_timeout=self._settings.NATS_CONNECT_TIMEOUT,
                ping_interval=self.PING_INTERVAL,
                max_outstanding_pings=2,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0,  # the pause is made in _on_error, where it can grow
                pending_size=self.PENDING_SIZE,
                flush_timeout=self.FLUSH_TIMEOUT,
                error_cb=partial(self._on_error, client),
                disconnected_cb=partial(self._on_disconnected, client),
                reconnected_cb=partial(self._on_connected, client),
                **credentials(self._settings),
            )
        except BaseException:
            abort(client)
            raise
        self.client, self._pulse = client, pulse
        await self._on_connected(client)

    async def close(self) -> None:
        """Sends what waits to be sent and closes; takes no longer than twice `CLOSE_LIMIT`."""
        self._closing = True
        if self._keeper:
            self._keeper.cancel()
        in_order = not self.connected or await self.flushed(self.CLOSE_LIMIT)
        if self.connections:
            in_order = await discard(self.client, self.CLOSE_LIMIT) and in_order
        self._pulse.start_anew()
        if not in_order:
            logger.warning("NATS connection not closed in order")

    async def flushed(self, limit: float) -> bool:
        """Whether the server has everything within `limit` seconds.

        nats-py swallows cancellations, and trips over an answer that nobody awaits any more, so it is left behind.
        """
        flushing = asyncio.create_task(flush(self.client))
        _, late = await asyncio.wait([flushing], timeout=limit)
        return not late and flushing.exception() is None

    async def _keep(self) -> None:
        """Sees to it that there is a living connection, or an attempt at one."""
        while True:
            await asyncio.sleep(Pulse.LOOK)
            try:
                await self._look_after()
            except Exception as error:  # whatever it is: nobody else would look after the connection
                logger.error("the NATS connection could not be looked after", error=named(error), exc_info=error)

    async def _look_after(self) -> None:
        now = asyncio.get_running_loop().time()
        if self.client.is_connected:
            self._leaving_since = None
            if reason := self._pulse.look():
                await self._tear_down(reason)
            elif self._connected.is_set():
                self._heard()
            elif now - self._last_sign > self._quiet:  # nats-py's task ended before it had said that it is connected
                await self._connect_anew()
            return
        self._pulse.start_anew()
        leaving = 0.0
        if self.client.is_reconnecting and not self._left:
            # The old connection has not closed yet. Half open and with a full buffer it never will (nats.py#671).
            self._leaving_since = self._leaving_since or now
            leaving = now - self._leaving_since
            if leaving > self.HALF_OPEN:
                abort(self.client)
        if self.client.is_closed or leaving > self.STUCK or now - self._last_sign > self._quiet:
            await self._connect_anew()

    async def _tear_down(self, reason: str) -> None:
        """Ends a connection that nats-py takes for alive; it makes another, and sends there what waits to be sent."""
        logger.warning("the connection to NATS is dead", reason=reason)
        self._connected.clear()
        self._heard()
        self._pulse.start_anew()
        await reconnect(self.client)

    async def _connect_anew(self) -> None:
        """With a new client: nats-py closes for good when credentials are refused, which may be over in a moment."""
        logger.warning("connecting anew", error=named(self.client.last_error))
        self._connected.clear()
        self._leaving_since = None
        await discard(self.client, self.CLOSE_LIMIT)
        try:
            await self._connect()
        except Exception as error:
            await self._pause(error)

    async def _on_connected(self, client: Client) -> None:
        if client is not self.client:
            return
        self._failures = 0
        self._heard()
        self._pulse.start_anew()
        self._left = False
        self._connected.set()
        self.connections += 1
        url = self.client.connected_url
        logger.info("connected to NATS", server=f"{url.hostname}:{url.port}" if url else None)
        for listener in self._listeners:
            listener()

    def _heard(self) -> None:
        self._last_sign = asyncio.get_running_loop().time()

    async def _on_disconnected(self, client: Client) -> None:
        if client is not self.client:
            return
        self._heard()
        self._left = True
        self._connected.clear()
        if not self._closing:
            logger.warning("disconnected from NATS")

    async def _on_error(self, client: Client, error: Exception) -> None:
        """Called by nats-py with every error; during attempts to connect it also makes the pause between them."""
        if client is not self._newest:
            return  # it has been replaced
        if client.is_connected or isinstance(error, nats.errors.FlushTimeoutError | nats.errors.SlowConsumerError):
            logger.warning("NATS reports an error", error=named(error))
            return
        await self._pause(error)
        self._heard()
        if any(is_discovered(url) for url in self._settings.nats_urls):
            try:
                client.set_server_pool(await server_addresses(self._settings))
            except Exception as failure:  # whatever it is, it must not end nats-py's attempts
                logger.debug("the NATS servers could not be looked up again", error=named(failure))

    async def _discover(self) -> list[str]:
        while True:
            try:
                return await server_addresses(self._settings)
            except ConnectionError as error:
                await self._pause(error)

    async def _pause(self, error: Exception) -> None:
        """Waits before the next attempt to connect, longer each time."""
        self._heard()
        if self._failures == 0:
            logger.warning("waiting for NATS", error=named(error))
        first, longest = self.FIRST_WAIT, self._settings.NATS_RECONNECT_WAIT
        wait = min(first * 2 ** min(self._failures, 16), longest) * random.uniform(0.5, 1)
        self._failures += 1
        await asyncio.sleep(wait)
