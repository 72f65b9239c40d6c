"""The connection to NATS: made with patience, kept for good, and what the worker publishes over it."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable
from typing import Any

import nats.errors
import orjson
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import PubAck
from pydantic import BaseModel

from src.config import Settings
from src.infrastructure.discovery import is_discovered, server_addresses
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
    CLOSE_LIMIT = 2.0  # seconds that the last flush may take
    PUBLISH_TIMEOUT = 5.0  # seconds that a stream has to confirm

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._failures = 0
        self._closing = False
        self._listeners: list[Callable[[], None]] = []
        self._reconnecting: asyncio.Task[None] | None = None
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
            nats.errors.Error: the credentials cannot be read or no address can be parsed.
        """
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
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnected,
            reconnected_cb=self._on_connected,
            closed_cb=self._on_closed,
            **self._credentials(),
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
        if self._reconnecting:
            self._reconnecting.cancel()
        if self.connected:
            try:
                async with asyncio.timeout(self.CLOSE_LIMIT):
                    await self.client.flush()
            except (nats.errors.Error, TimeoutError, OSError) as error:
                logger.warning("could not flush before closing", error=_named(error))
        if not self.client.is_closed:
            await self.client.close()

    def _credentials(self) -> dict[str, Any]:
        settings = self._settings
        given: dict[str, Any] = {
            "user": settings.NATS_USER,
            "password": settings.NATS_PASSWORD and settings.NATS_PASSWORD.get_secret_value(),
            "token": settings.NATS_TOKEN and settings.NATS_TOKEN.get_secret_value(),
            "user_credentials": settings.NATS_CREDS_FILE and str(settings.NATS_CREDS_FILE),
            "nkeys_seed": settings.NATS_NKEY_SEED_FILE and str(settings.NATS_NKEY_SEED_FILE),
        }
        if settings.NATS_TLS_CA or settings.NATS_TLS_CERT:
            context = ssl.create_default_context(cafile=settings.NATS_TLS_CA)
            if settings.NATS_TLS_CERT:
                context.load_cert_chain(settings.NATS_TLS_CERT, settings.NATS_TLS_KEY)
            given["tls"] = context
        return {name: value for name, value in given.items() if value is not None}

    async def _on_connected(self) -> None:
        self._failures = 0
        self.connection += 1
        url = self.client.connected_url
        logger.info("connected to NATS", server=f"{url.hostname}:{url.port}" if url else None)
        for listener in self._listeners:
            listener()

    async def _on_disconnected(self) -> None:
        if not self._closing:
            logger.warning("disconnected from NATS")

    async def _on_error(self, error: Exception) -> None:
        """Called by nats-py with every error; during attempts to connect it also makes the pause between them."""
        if self.connected:
            logger.warning("NATS reports an error", error=_named(error))
            return
        await self._pause(error)
        if any(is_discovered(url) for url in self._settings.nats_urls):
            try:
                self.client.set_server_pool(await server_addresses(self._settings))
            except (ConnectionError, nats.errors.Error) as failure:
                logger.debug("the NATS servers could not be looked up again", error=_named(failure))

    async def _discover(self) -> list[str]:
        while True:
            try:
                return await server_addresses(self._settings)
            except ConnectionError as error:
                await self._pause(error)

    async def _pause(self, error: Exception) -> None:
        """Waits before the next attempt to connect, longer each time."""
        if self._failures == 0:
            logger.warning("waiting for NATS", error=_named(error))
        first, longest = self.WAIT
        wait = min(first * 2 ** min(self._failures, 16), longest) * random.uniform(0.5, 1)
        self._failures += 1
        await asyncio.sleep(wait)

    async def _on_closed(self) -> None:
        """nats-py closes for good when a server refuses the credentials; they may be valid again in a moment."""
        if not self._closing:
            logger.warning("NATS closed the connection", error=_named(self.client.last_error))
            self._reconnecting = asyncio.create_task(self._connect_anew())

    async def _connect_anew(self) -> None:
        await asyncio.sleep(self.WAIT[1])
        await self.connect()


def encode(data: BaseModel | dict[str, Any] | bytes) -> bytes:
    """The payload for `data`: JSON for a model (by its aliases) or mapping, bytes as they are."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, BaseModel):
        return data.model_dump_json(by_alias=True).encode()
    return orjson.dumps(data)


def _named(error: BaseException | None) -> str:
    return f"{type(error).__name__}: {error}"
