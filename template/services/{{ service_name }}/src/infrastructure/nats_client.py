"""The connection to NATS: it never gives up, notices a dead link, and sends what the service publishes and acks."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import PubAck

from src.config import Settings
from src.infrastructure.errors import ConfigurationError, NotConnected, TooLarge, describe
from src.infrastructure.link_health import REFUSED_FOR, Refusals, until_silent
from src.infrastructure.metrics import CONNECTIONS
from src.infrastructure.nats_internals import TolerantClient, abort, flush, send, succeeds
from src.infrastructure.nats_options import connect_options, server_urls
from src.utils.logging import logger

Handles = TypeVar("Handles")

LOOK = 0.02  # seconds between looks at what nothing announces


class NatsClient:
    """One connection that the whole service shares.

    nats-py's own reconnect is off: it hangs on a half-open link (nats.py#671) and gives up if credentials are refused.
    Every reconnect makes a new nats-py client instead, so subscribe again whenever a listener is called.

    Attributes:
        client: nats-py's client of the current connection.
        jetstream: JetStream over it.
        listeners: functions that are called after every connect.
        refusals: what the server refuses.
        connections: how many connections there have been. A changed number means that the server forgot everything.
        finishing: functions that the worker awaits before it closes the connection, with the connection, the seconds
            that they have, and a future that ends the wait when it is done.
    """

    PUBLISH_TIMEOUT = 5.0  # seconds that the server has to confirm a publish or an ack, or to answer
    FIRST_WAIT = 0.1  # seconds between the first two attempts to connect
    CLOSE_LIMIT = 2.0  # seconds that the last flush may take, and as much again the closing
    MOST_UNSENT = 100_000  # acks and replies kept while there is no connection

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.service = settings.SERVICE_NAME
        self.client: Client = TolerantClient()
        self.jetstream: JetStreamContext = self.client.jetstream(prefix=settings.js_api_prefix)
        self.connections = 0
        self._lost: asyncio.Future[str] | None = None  # why the connection is lost, when it is
        self.listeners: set[Callable[[], object]] = set()
        self.finishing: set[Callable[..., Coroutine[Any, Any, None]]] = set()
        self._unsent: deque[tuple[str, bytes, Mapping[str, str] | None]] = deque(maxlen=self.MOST_UNSENT)
        self._told = ""  # why the latest attempt to connect failed
        self.refusals = Refusals()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Return whether there is a connection that has not been found dead."""
        return self.client.is_connected

    @property
    def trouble(self) -> str:
        """Return why the connection cannot be used as it should; empty if it can."""
        if self.connected:
            return str(self.refusals)
        return f"not connected to NATS: {self._told}".removesuffix(": ")

    async def connect(self) -> None:
        """Return once connected, however long that takes, and keep connected from then on.

        Raises:
            ConfigurationError: the credentials, certificates or addresses cannot be used.
        """
        try:
            connect_options(self.settings, self.settings.nats_urls[0])  # `_connect` would wait for missing files
            await self._connect()
        except Exception as error:  # anything that may be over later does not get here
            raise ConfigurationError(
                f"cannot connect to NATS with these NATS_... settings: {describe(error)}"
            ) from error
        self._keeper = asyncio.create_task(self._keep_connected(), name="nats")

    async def close(self) -> None:
        """Send what is buffered, and close the connection; takes a few seconds at most."""
        if self._keeper:
            self._keeper.cancel()
        if self.connected and not await self.flushed(self.CLOSE_LIMIT):
            logger.warning("NATS connection closed before everything was sent")
        if self.connections:
            await self._discard(self.client)

    def reconnect(self, reason: str) -> None:
        """Replace the connection by a new one."""
        if self._lost and not self._lost.done():
            self._lost.set_result(reason)

    async def wait_connected(self, what: str, limit: float = PUBLISH_TIMEOUT) -> None:
        """Return when connected.

        Args:
            what: what needs it, for the error's message.
            limit: seconds to wait.

        Raises:
            NotConnected: there is no connection in time.
        """
        await until(lambda: self.connected, time.monotonic() + limit)
        if not self.connected:
            raise NotConnected(f"{what}: not connected to NATS")

    async def flushed(self, limit: float) -> bool:
        """Return whether the server has everything sent so far within `limit` seconds."""
        return await succeeds(flush(self.client), limit)

    async def publish(self, subject: str, data: bytes, headers: dict[str, str]) -> PubAck:
        """Publish to a stream and return its confirmation.

        Raises:
            TooLarge: payload and headers do not fit into one message.
            NotConnected: there is no connection within `PUBLISH_TIMEOUT`.
            nats.errors.Error: the stream did not confirm within `PUBLISH_TIMEOUT`, or the server refused.
        """
        await self.wait_connected(subject)
        self.check_size(subject, data, headers)
        try:
            return await self.jetstream.publish(subject, data, timeout=self.PUBLISH_TIMEOUT, headers=headers)
        except TimeoutError as error:  # the server does not say which message it refused
            if (refused := f"permissions violation for publish to {subject}").lower() in str(self.refusals):
                raise nats.errors.Error(refused) from error
            raise

    def observed(self, handles: Handles, **operation: str) -> Handles:
        """Return what handles or sends messages, unchanged; the extra `otel` wraps it in spans.

        Args:
            handles: a coroutine function whose first argument is an `Incoming`, or a method of nats-py that sends; or a
                class of `Delivery`.
            operation: the span's `kind`, and its `destination` and `group` if it has them.
        """
        return handles

    def check_size(self, subject: str, data: bytes, headers: Mapping[str, str]) -> None:
        """Check that a message fits. nats-py checks the payload alone, and the server would close the connection.

        Raises:
            TooLarge: payload and headers do not fit into one message.
        """
        size, most = size_of(data, headers), self.client.max_payload
        if size > most > 0:
            raise TooLarge(
                f"{subject}: {size} bytes with headers, and the server takes {most} (max_payload); store large data "
                f"elsewhere, such as in an object store, and publish its name"
            )

    def answer(self, reply: str, payload: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send an ack or a reply with the next write of the connection; keep the latest of them while there is none."""
        if self.client.is_connected:
            send(self.client, reply, payload, headers)
        else:
            self._unsent.append((reply, payload, headers))

    async def answer_confirmed(self, reply: str, payload: bytes) -> None:
        """Send an ack and return when the server has confirmed it.

        Raises:
            nats.errors.Error: the server did not within `PUBLISH_TIMEOUT`.
        """
        await self.client.request(reply, payload, timeout=self.PUBLISH_TIMEOUT)

    async def ask(self, subject: str, request: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Call the JetStream API, for what nats-py does not offer.

        Args:
            subject: the subject after the prefix `$JS.API.`.
            request: sent as JSON.

        Raises:
            nats.js.errors.APIError: the server refuses.
            nats.errors.Error: it does not answer.
        """
        subject = f"{self.settings.js_api_prefix}.{subject}"
        answer = await self.client.request(subject, json.dumps(request or {}).encode(), timeout=self.PUBLISH_TIMEOUT)
        response: dict[str, Any] = json.loads(answer.data)
        if "error" in response:
            raise nats.js.errors.APIError.from_error(response["error"])
        return response

    async def _keep_connected(self) -> None:
        while True:
            assert self._lost, "there is a connection"
            silent = asyncio.create_task(until_silent(self.client), name="nats-silence")
            silent.add_done_callback(lambda _: self.reconnect("no sign of life"))
            try:
                reason = await self._lost
            finally:
                silent.cancel()
            logger.warning("disconnected from NATS", reason=reason)
            await self._discard(self.client)
            await asyncio.sleep(random.uniform(0, self.FIRST_WAIT))  # a fleet does not come back in one moment
            await self._connect()

    async def _connect(self) -> None:
        """Try all servers, with pauses that grow, until one accepts.

        Raises:
            Exception: something that will not be over later. After the first connection there is no such thing.
        """
        wait = self.FIRST_WAIT
        self._told = ""
        while True:
            try:
                settings = self.settings.refreshed()
                for url in server_urls(settings, [uri.netloc for uri in self.client.discovered_servers]):
                    if (error := await self._connect_to(url, settings)) is None:
                        return
            except (OSError, ValueError) as failure:
                error = failure
            if self._told != (reason := describe(error)):
                logger.warning("waiting for NATS", error=reason)
            self._told = reason
            await asyncio.sleep(wait * random.uniform(0.5, 1))
            wait = min(2 * wait, self.settings.NATS_RECONNECT_WAIT)

    async def _connect_to(self, url: str, settings: Settings) -> Exception | None:
        """Connect a new client to a server; return why that failed, or None."""
        client = TolerantClient()
        lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def on_lost() -> None:
            if not lost.done():
                lost.set_result(describe(client.last_error) if client.last_error else "the server closed it")

        async def on_error(error: Exception) -> None:
            refused = self.refusals.note(str(error))
            if refused == "subscription":  # a new connection subscribes again before that is forgotten
                asyncio.get_running_loop().call_later(0.8 * REFUSED_FOR, self.reconnect, describe(error))
            elif not refused and client.is_connected:
                logger.warning("NATS reports an error", error=describe(error))

        options = connect_options(settings, url)
        options |= {"error_cb": on_error, "closed_cb": on_lost, "disconnected_cb": on_lost}
        try:
            async with asyncio.timeout(4 * settings.NATS_CONNECT_TIMEOUT):  # each step has its own limit
                await client.connect(**options)
        except BaseException as error:
            abort(client)
            expected = Exception if self.connections else (OSError, nats.errors.Error)  # later, a file may be replaced
            if not isinstance(error, expected):
                raise
            return client.last_error or error
        self._lost, self.client, self.jetstream = lost, client, client.jetstream(prefix=self.settings.js_api_prefix)
        self.connections += 1
        CONNECTIONS.inc()
        while self._unsent:
            send(client, *self._unsent.popleft())  # before new messages are asked for
        logger.info("connected to NATS", server=options["servers"][0])
        for listener in list(self.listeners):
            listener()
        return None

    async def _discard(self, client: Client) -> None:
        """Close a client in whatever state it is; one that does not close in time is left behind."""
        closing = asyncio.create_task(client.close())
        await asyncio.wait([closing], timeout=0.2)
        abort(client)
        await asyncio.wait([closing], timeout=self.CLOSE_LIMIT)


async def until(done: Callable[[], object], deadline: float, hurry: asyncio.Future[None] | None = None) -> None:
    """Return when `done` returns something true, at the deadline on the monotonic clock, or when `hurry` is done."""
    while not done() and time.monotonic() < deadline and not (hurry and hurry.done()):  # noqa: ASYNC110
        await asyncio.sleep(LOOK)


def size_of(data: bytes, headers: Mapping[str, str]) -> int:
    """Return the bytes of a message as `max_payload` counts them, with 64 spare bytes around the headers."""
    if not headers:
        return len(data)
    return len(data) + 64 + sum(len(f"{name}: {value}\r\n".encode()) for name, value in headers.items())
