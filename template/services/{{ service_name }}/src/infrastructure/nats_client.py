"""The connection to NATS: it never gives up, notices a dead link, and sends what the service publishes and acks."""

from __future__ import annotations

import asyncio
import json
import random
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import PubAck

from src.config import Settings
from src.infrastructure.errors import ConfigurationError, NotConnected, TooLarge, describe
from src.infrastructure.liveness import Liveness
from src.infrastructure.metrics import CONNECTIONS
from src.infrastructure.nats_internals import TolerantClient, abort, flush, send
from src.infrastructure.nats_options import connect_options, server_addresses
from src.utils.logging import logger

# No suitable peers, no leader or quorum yet, too few resources: https://github.com/nats-io/nats-server errors.json
TRANSIENT = frozenset({10004, 10005, 10008, 10009, 10023, 10047})


class NatsClient:
    """One connection that the whole service shares.

    nats-py's own reconnect is off: it hangs on a half-open link (nats.py#671) and gives up if credentials are refused.
    Every reconnect makes a new nats-py client instead, so subscribe again whenever `on_connection` is called.

    Attributes:
        client: nats-py's client of the current connection.
        jetstream: JetStream over it.
        connections: how many connections there have been. A changed number means that the server forgot everything.
        finishing: functions that the worker awaits, with the seconds they have, before it closes the connection.
    """

    PUBLISH_TIMEOUT = 5.0  # seconds that the server has to confirm a publish or an ack
    API_TIMEOUT = 5.0  # seconds that JetStream's API has to answer
    FIRST_WAIT = 0.1  # seconds between the first two attempts to connect
    CLOSE_LIMIT = 2.0  # seconds that the last flush may take, and as much again the closing
    CROWDED = 1024 * 1024  # bytes waiting to be sent, above which senders should wait
    MOST_UNSENT = 100_000  # acks and replies kept while there is no connection

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.service = settings.SERVICE_NAME
        self.client: Client = TolerantClient()
        self.jetstream: JetStreamContext = self.client.jetstream()
        self.connections = 0
        self._connected = asyncio.Event()
        self._lost: asyncio.Future[str] | None = None  # why the connection is lost, when it is
        self._listeners: list[Callable[[], None]] = []
        self.finishing: list[Callable[[float], Coroutine[Any, Any, None]]] = []
        self._unsent: deque[tuple[str, bytes, Mapping[str, str] | None]] = deque()
        self._announced: list[str] = []
        self._keeper: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Return whether there is a connection that has not been found dead."""
        return self._connected.is_set() and self.client.is_connected

    @property
    def crowded(self) -> bool:
        """Return whether so much waits to be sent that senders should wait."""
        return self.client.pending_data_size > self.CROWDED

    def on_connection(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every connect."""
        self._listeners.append(listener)

    def off_connection(self, listener: Callable[[], None]) -> None:
        """Call `listener` no more."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    async def connect(self) -> None:
        """Return once connected, however long that takes, and keep connected from then on.

        Raises:
            ConfigurationError: the credentials, certificates or addresses cannot be used.
        """
        try:
            connect_options(self.settings)  # `_connect` would wait for missing files
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
        self._connected.clear()
        await self._discard(self.client)

    def reconnect(self, reason: str) -> None:
        """Replace the connection by a new one."""
        if self._lost and not self._lost.done():
            self._lost.set_result(reason)

    async def wait_connected(self, limit: float) -> None:
        """Return when connected, or after `limit` seconds."""
        try:
            async with asyncio.timeout(limit):
                while not self.connected:
                    await self._connected.wait()
                    await asyncio.sleep(0 if self.connected else 0.05)  # the loss may not have been noticed yet
        except TimeoutError:
            pass

    async def flushed(self, limit: float) -> bool:
        """Return whether the server has everything sent so far within `limit` seconds."""
        flushing = asyncio.create_task(flush(self.client))  # not cancelled: a late answer would end the read loop
        _, late = await asyncio.wait([flushing], timeout=limit)
        return not late and flushing.exception() is None

    async def publish(self, subject: str, data: bytes, headers: dict[str, str]) -> PubAck:
        """Publish to a stream and return its confirmation.

        Raises:
            TooLarge: payload and headers do not fit into one message.
            NotConnected: there is no connection within `PUBLISH_TIMEOUT`.
            nats.errors.Error: the stream did not confirm within `PUBLISH_TIMEOUT`, or refused.
        """
        if not self.connected:
            await self.wait_connected(self.PUBLISH_TIMEOUT)
            if not self.connected:
                raise NotConnected(f"{subject}: not connected to NATS")
        self.check_size(subject, data, headers)
        return await self.jetstream.publish(subject, data, timeout=self.PUBLISH_TIMEOUT, headers=headers)

    def check_size(self, subject: str, data: bytes, headers: Mapping[str, str]) -> None:
        """Check that a message fits. nats-py checks the payload alone, and the server would close the connection.

        Raises:
            TooLarge: payload and headers do not fit into one message.
        """
        size, most = size_of(data, headers), self.client.max_payload
        if size > most > 0:
            raise TooLarge(
                f"{subject}: payload and headers are {size} bytes, and the server takes {most} (max_payload); store "
                f"large data elsewhere, such as in an object store, and publish its name"
            )

    def answer(self, reply: str, payload: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send an ack or a reply with the next write of the connection; keep it while there is none.

        Raises:
            nats.errors.OutboundBufferLimitError: too many are kept already.
        """
        if self.client.is_connected:
            send(self.client, reply, payload, headers)
        elif len(self._unsent) < self.MOST_UNSENT:
            self._unsent.append((reply, payload, headers))
        else:
            raise nats.errors.OutboundBufferLimitError

    async def answer_confirmed(self, reply: str, payload: bytes) -> None:
        """Send an ack and return when the server has confirmed it.

        Raises:
            nats.errors.Error: the server did not within `PUBLISH_TIMEOUT`.
        """
        await self.client.request(reply, payload, timeout=self.PUBLISH_TIMEOUT)

    async def ask(self, subject: str, request: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Call the JetStream API, for what nats-py does not offer.

        Args:
            subject: the subject after `$JS.API.`.
            request: sent as JSON.

        Raises:
            nats.js.errors.APIError: the server refuses.
            nats.errors.Error: it does not answer.
        """
        payload = json.dumps(request).encode() if request else b""
        answer = await self.client.request(f"$JS.API.{subject}", payload, timeout=self.API_TIMEOUT)
        response: dict[str, Any] = json.loads(answer.data)
        if "error" in response:
            raise nats.js.errors.APIError.from_error(response["error"])
        return response

    async def _keep_connected(self) -> None:
        while True:
            reason = await self._until_lost()
            self._connected.clear()
            logger.warning("disconnected from NATS", reason=reason)
            self._announced = [uri.netloc for uri in self.client.discovered_servers]
            await self._discard(self.client)
            await asyncio.sleep(random.uniform(0, self.FIRST_WAIT))  # a fleet does not come back in one moment
            while not self.connected:
                try:
                    await self._connect()
                except Exception as error:  # whatever it is: nobody else connects
                    logger.error("cannot connect to NATS: trying again", error=describe(error), exc_info=error)
                    await asyncio.sleep(self.settings.NATS_RECONNECT_WAIT)

    async def _until_lost(self) -> str:
        """Return why the connection is dead, when it is."""
        liveness, lost = Liveness(self.client), self._lost
        assert lost is not None, "there is a connection"
        while True:
            await asyncio.wait([lost], timeout=Liveness.LOOK)
            if reason := lost.result() if lost.done() else liveness.look():
                liveness.end()
                return reason

    async def _connect(self) -> None:
        """Try all servers, with pauses that grow, until one accepts."""
        wait = self.FIRST_WAIT
        told = False
        while True:
            error: Exception | None = None
            try:
                options = connect_options(self.settings)
                for server in await server_addresses(self.settings, self._announced):
                    if (error := await self._connect_to(server, options)) is None:
                        return
            except (OSError, ValueError) as failure:
                error = failure
            if not told:
                logger.warning("waiting for NATS", error=describe(error))
                told = True
            await asyncio.sleep(wait * random.uniform(0.5, 1))
            wait = min(2 * wait, self.settings.NATS_RECONNECT_WAIT)

    async def _connect_to(self, server: str, options: dict[str, Any]) -> Exception | None:
        """Connect a new client to a server; return why that failed, or None."""
        client = TolerantClient()
        lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def on_lost() -> None:
            if not lost.done():
                lost.set_result(describe(client.last_error) if client.last_error else "the server closed it")

        async def on_error(error: Exception) -> None:
            if client.is_connected:
                logger.warning("NATS reports an error", error=describe(error))

        try:
            async with asyncio.timeout(4 * self.settings.NATS_CONNECT_TIMEOUT):  # each step has its own limit
                await client.connect(
                    servers=[server], error_cb=on_error, closed_cb=on_lost, disconnected_cb=on_lost, **options
                )
        except asyncio.CancelledError:
            abort(client)
            raise
        except (OSError, nats.errors.Error) as error:  # TimeoutError is an OSError
            abort(client)
            return client.last_error or error
        except Exception as error:
            abort(client)
            if not self.connections:
                raise  # a credential that is invalid; later it may be a file that is being replaced
            return error
        self._lost, self.client, self.jetstream = lost, client, client.jetstream()
        self.connections += 1
        CONNECTIONS.inc()
        self._connected.set()
        while self._unsent:
            send(client, *self._unsent.popleft())  # before new messages are asked for
        url = client.connected_url
        logger.info("connected to NATS", server=f"{url.hostname}:{url.port}" if url else server)
        for listener in self._listeners:
            listener()
        return None

    async def _discard(self, client: Client) -> None:
        """Close a client in whatever state it is; one that does not close in time is left behind."""
        closing = asyncio.create_task(client.close())
        _, late = await asyncio.wait([closing], timeout=0.2)
        abort(client)
        if late:
            await asyncio.wait([closing], timeout=self.CLOSE_LIMIT)


def size_of(data: bytes, headers: Mapping[str, str]) -> int:
    """Return the bytes of a message as `max_payload` counts them, with 64 spare bytes around the headers."""
    if not headers:
        return len(data)
    return len(data) + 64 + sum(len(f"{name}: {value}\r\n".encode()) for name, value in headers.items())


def raise_if_transient(error: nats.js.errors.APIError) -> None:
    """Raise an API error again if it may be over in a moment, such as during an election."""
    if isinstance(error, nats.js.errors.ServiceUnavailableError) or error.err_code in TRANSIENT:
        raise error
