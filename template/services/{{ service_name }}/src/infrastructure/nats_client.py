"""The connection to NATS: made with patience, kept for good, and what the worker publishes over it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import PubAck
from pydantic import BaseModel

from src.config import Settings
from src.infrastructure.credentials import credentials
from src.infrastructure.discovery import is_discovered, server_addresses
from src.infrastructure.errors import ConfigurationError, named
from src.utils.logging import logger


class NatsClient:
    """One connection that never gives up.

    nats-py's own defaults end a worker: it gives up after 60 attempts and needs six minutes to notice a dead link.
    Here attempts have no end and a dead link is noticed within `PING_INTERVAL` times three.
    """

    PING_INTERVAL = 5  # seconds
    CONNECT_TIMEOUT = 2  # seconds for one attempt
    WAIT = (0.1, 2.0)  # seconds between attempts, first and longest
    PENDING_SIZE = 16 * 1024 * 1024  # bytes that may wait to be sent while the connection is away
    CLOSE_LIMIT = 2.0  # seconds that the last flush may take, and as much again the closing
    FLUSH_TIMEOUT = 5.0  # seconds that a full buffer may hold up a publish
    HALF_OPEN = 1.0  # seconds that an old connection has to close before it is torn down
    QUIET = 15.0  # seconds without any attempt to reconnect, after which the client is replaced
    LOOK = 0.5  # seconds between looks at the above
    PUBLISH_TIMEOUT = 5.0  # seconds that a stream has to confirm

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._failures = 0
        self._closing = False
        self._listeners: list[Callable[[], None]] = []
        self._keeper: asyncio.Task[None] | None = None
        self._last_sign = 0.0  # loop time of the latest news of the connection
        self._leaving_since: float | None = None  # loop time at which an old connection began to close
        self._connected = asyncio.Event()
        self.client = Client()
        self.connection = 0  # counts connections: a changed number means that the server has forgotten this client

    @property
    def connected(self) -> bool:
        """Whether there is a connection right now."""
        return self.connection > 0 and self.client.is_connected

    @property
    def jetstream(self) -> JetStreamContext:
        """JetStream over this connection."""
        return self.client.jetstream()

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
        if not self.connected:
            try:
                async with asyncio.timeout(limit):
                    await self._connected.wait()
            except TimeoutError:
                pass

    async def _connect(self) -> None:
        servers = await self._discover()
        self.client = Client()
        await self.client.connect(
            servers=servers,
            name=f"{self._settings.SERVICE_NAME}-{self._settings.HOSTNAME}",
            inbox_prefix=f"_INBOX_{self._settings.SERVICE_NAME}",  # `_INBOX.>` would let others read the replies
            connect_timeout=self.CONNECT_TIMEOUT,
            ping_interval=self.PING_INTERVAL,
            max_outstanding_pings=2,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0,  # the pause is made in _on_error, where it can grow
            pending_size=self.PENDING_SIZE,
            flush_timeout=self.FLUSH_TIMEOUT,
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnected,
            reconnected_cb=self._on_connected,
            **credentials(self._settings),
        )
        await self._on_connected()

    async def publish(
        self, subject: str, data: BaseModel | dict[str, Any] | bytes, headers: dict[str, str] | None = None
    ) -> PubAck:
        """Publishes to a stream and returns its confirmation.

        Args:
            subject: a subject that a stream listens to.
            data: a model or mapping, sent as JSON, or the payload itself.
            headers: such as `Nats-Msg-Id`.

        Raises:
            nats.errors.Error: the stream did not confirm within `PUBLISH_TIMEOUT`, or refused.
        """
        return await self.jetstream.publish(subject, encode(data), timeout=self.PUBLISH_TIMEOUT, headers=headers)

    async def answer(self, reply: str, payload: bytes) -> None:
        """Sends an acknowledgement; it leaves with the next write of the connection.

        Raises:
            nats.errors.Error: the connection is closed, or too much waits for it to come back.
        """
        await self.client.publish(reply, payload)

    async def close(self) -> None:
        """Sends what waits to be sent and closes; takes no longer than `CLOSE_LIMIT` and a moment."""
        self._closing = True
        if self._keeper:
            self._keeper.cancel()
        if self.connected:
            await self._within(self.CLOSE_LIMIT, self.client.flush(), "flush")
        if self.connection:
            await self._within(self.CLOSE_LIMIT, self.client.close(), "close")

    async def _within(self, limit: float, step: Coroutine[Any, Any, None], name: str) -> None:
        """Gives a step of nats-py's a time limit; it swallows cancellations, so what is late is left behind."""
        task = asyncio.create_task(step)
        _, late = await asyncio.wait([task], timeout=limit)
        if late or task.exception():
            logger.warning(
                "NATS connection not closed in order", step=name, error="late" if late else named(task.exception())
            )

    async def _keep(self) -> None:
        """Sees to it that there is a connection, or an attempt at one, where nats-py has given up or is stuck."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.LOOK)
            if self.client.is_connected:
                self._leaving_since = None
                continue
            now = loop.time()
            if self.client.is_reconnecting and self._connected.is_set():
                # The old connection has not closed yet. Half open and with a full buffer it never will (nats.py#671).
                self._leaving_since = self._leaving_since or now
                if now - self._leaving_since > self.HALF_OPEN:
                    _abort(self.client)
            if self.client.is_closed or now - self._last_sign > self.QUIET:
                await self._connect_anew()

    async def _connect_anew(self) -> None:
        """With a new client: nats-py closes for good when credentials are refused, which may be over in a moment."""
        logger.warning("connecting anew", error=named(self.client.last_error))
        old = self.client
        try:
            if not old.is_closed:
                await self._within(self.CLOSE_LIMIT, old.close(), "close")
            await self._connect()
        except Exception as error:
            await self._pause(error)

    async def _on_connected(self) -> None:
        self._failures = 0
        self._heard()
        self._connected.set()
        self.connection += 1
        url = self.client.connected_url
        logger.info("connected to NATS", server=f"{url.hostname}:{url.port}" if url else None)
        for listener in self._listeners:
            listener()

    def _heard(self) -> None:
        self._last_sign = asyncio.get_running_loop().time()

    async def _on_disconnected(self) -> None:
        self._heard()
        self._connected.clear()
        if not self._closing:
            logger.warning("disconnected from NATS")

    async def _on_error(self, error: Exception) -> None:
        """Called by nats-py with every error; during attempts to connect it also makes the pause between them."""
        if self.connected:
            logger.warning("NATS reports an error", error=named(error))
            return
        await self._pause(error)
        self._heard()
        if any(is_discovered(url) for url in self._settings.nats_urls):
            try:
                self.client.set_server_pool(await server_addresses(self._settings))
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
        first, longest = self.WAIT
        wait = min(first * 2 ** min(self._failures, 16), longest) * random.uniform(0.5, 1)
        self._failures += 1
        await asyncio.sleep(wait)


def _abort(client: Client) -> None:
    """Tears down what is below the client; nats-py has no public way to it."""
    writer = getattr(getattr(client, "_transport", None), "_io_writer", None)
    if writer is not None:
        writer.transport.abort()


def encode(data: BaseModel | dict[str, Any] | bytes) -> bytes:
    """The payload for `data`: JSON for a model (by its aliases) or mapping, bytes as they are."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, BaseModel):
        return data.model_dump_json(by_alias=True).encode()
    return orjson.dumps(data)
