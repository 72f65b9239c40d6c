"""NATS from anywhere in a service: `await nats.call("v1.greeter.greet", {"name": "Ada"})`.

For what must not be lost there are streams, and `publish` of `src.infrastructure.publisher`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar, overload

import nats.errors as nats_errors
from nats.aio.msg import Msg

from src.infrastructure.errors import CallError, CallTimeout, NoResponders, NotConnected, RemoteError, named
from src.infrastructure.handling.publication import encode, following, wire
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.publisher import channel
from src.requests.listeners import Listen, Listener
from src.requests.replies import TOO_SLOW, UNAVAILABLE, reader_for
from src.utils.logging import logger

Result = TypeVar("Result")

REPEATABLE = (UNAVAILABLE, TOO_SLOW)  # errors that another attempt, or another instance, may not bring
PAUSE = (0.05, 1.0)  # seconds before a repetition where the answer was no: the first, and the longest


class Nats:
    """Core NATS over one connection, whichever that is at the moment.

    What is called and published while a message or a request is handled carries its `Correlation-Id` and trace.

    Args:
        find: finds the connection, where `use` has not said which.
    """

    CONNECT_LIMIT = 5.0  # seconds that `publish` waits for a connection, and for the server's confirmation

    def __init__(self, find: Callable[[], NatsClient | None] = lambda: None) -> None:
        self._find = find
        self._given: NatsClient | None = None
        self._watched: NatsClient | None = None
        self._listeners: set[Listener] = set()
        self._renewals: set[asyncio.Task[None]] = set()

    def use(self, connection: NatsClient | None) -> None:
        """Has everything go over this connection, until another one or None is said."""
        self._given = connection
        if connection:
            self._watch(connection)

    @overload
    async def call(
        self,
        subject: str,
        payload: Any = None,
        *,
        timeout: float = 2.0,
        retries: int = 0,
        headers: Mapping[str, str] | None = None,
        response: type[Result],
    ) -> Result: ...

    @overload
    async def call(
        self,
        subject: str,
        payload: Any = None,
        *,
        timeout: float = 2.0,
        retries: int = 0,
        headers: Mapping[str, str] | None = None,
        response: None = None,
    ) -> Any: ...

    async def call(
        self,
        subject: str,
        payload: Any = None,
        *,
        timeout: float = 2.0,
        retries: int = 0,
        headers: Mapping[str, str] | None = None,
        response: Any = None,
    ) -> Any:
        """Has an action carried out and returns its result.

        Args:
            subject: the action's, such as `v1.greeter.greet`.
            payload: a model or what JSON can hold, or the bytes themselves.
            timeout: seconds that each attempt has.
            retries: attempts after the first, where nobody answered in time (504 as well), nobody listens, or the one
                asked is busy or stopping (503). After a time-out the action may then be carried out twice.
            headers: beside correlation and trace, which are passed on.
            response: the result's type, to be validated; `bytes` for the reply as it is. Without it, any JSON.

        Raises:
            CallTimeout: nobody answered in time.
            NoResponders: nobody listens to the subject.
            RemoteError: the other side answered with an error.
            InvalidReply: the answer is no result, or another than `response` says.
            TooLarge: the payload does not fit into one message.
        """
        data = b"" if payload is None else encode(payload)
        read = reader_for(response)
        pause, longest = PAUSE
        while True:
            try:
                return read(await self.request(subject, data, timeout=timeout, headers=headers))
            except (CallTimeout, NoResponders, RemoteError) as error:
                if not retries or (isinstance(error, RemoteError) and error.code not in REPEATABLE):
                    raise
                if not isinstance(error, CallTimeout):  # who refused at once is not asked again at once
                    await asyncio.sleep(pause * random.uniform(0.5, 1))
                    pause = min(2 * pause, longest)
                retries -= 1

    async def request(
        self, subject: str, payload: Any = b"", *, timeout: float = 2.0, headers: Mapping[str, str] | None = None
    ) -> Msg:
        """Sends a request and returns the first reply as it is, whatever it says.

        Args:
            subject: somebody answers on.
            payload: a model or what JSON can hold, or the bytes themselves.
            timeout: seconds.
            headers: beside correlation and trace, which are passed on.

        Raises:
            CallTimeout, NoResponders, TooLarge: as `call` does.
        """
        connection, left = await self._connected(subject, timeout)
        data, sent = _message(connection, subject, payload, headers)
        try:
            return await connection.client.request(subject, data, timeout=left, headers=sent)
        except nats_errors.NoRespondersError:
            raise NoResponders(f"{subject}: nobody listens to it") from None
        except TimeoutError:
            raise CallTimeout(f"{subject}: no answer within {timeout:g} s") from None
        except nats_errors.Error as error:
            raise CallError(f"{subject}: {named(error)}") from error

    async def publish(
        self, subject: str, payload: Any, headers: Mapping[str, str] | None = None, *, flush: bool = False
    ) -> None:
        """Publishes to whoever listens right now; nobody confirms it, and nothing keeps it.

        Args:
            subject: to publish on.
            payload: a model or what JSON can hold, or the bytes themselves.
            headers: beside correlation and trace, which are passed on.
            flush: whether to wait until the server has it.

        Raises:
            CallTimeout: there is no connection, or the server did not confirm that it has it.
            TooLarge: it does not fit into one message.
        """
        connection, _ = await self._connected(subject, self.CONNECT_LIMIT)
        data, sent = _message(connection, subject, payload, headers)
        try:
            await connection.client.publish(subject, data, headers=sent)
        except nats_errors.Error as error:
            raise CallError(f"{subject}: {named(error)}") from error
        if flush and not await connection.flushed(self.CONNECT_LIMIT):
            raise CallTimeout(f"{subject}: the server has not confirmed within {self.CONNECT_LIMIT:g} s that it has it")

    async def subscribe(self, subject: str, handler: Listen, queue: str | None = None) -> Listener:
        """Has `handler(context)` called with each message, one after the other, until `unsubscribe`.

        An error of the handler is logged, and the next message comes.

        Args:
            subject: to listen to; `*` and a last `>` are wildcards.
            handler: a coroutine function; `context` has `payload`, `headers`, `subject` and the `message` itself.
            queue: the group of listeners of which one hears each message.

        Returns:
            What `unsubscribe` takes. The server knows of it, where there is a connection; else it will.
        """
        connection = self._used(subject)
        self._watch(connection)
        listener = Listener(subject, handler, queue or "")
        self._listeners.add(listener)
        try:
            await listener.subscribe(connection)
        except nats_errors.Error as error:
            await self.unsubscribe(listener)
            raise CallError(f"{subject}: {named(error)}") from error
        return listener

    async def unsubscribe(self, subscription: Listener) -> None:
        """Ends a subscription; what has come and not begun is dropped. May be called by its own handler."""
        self._listeners.discard(subscription)
        await subscription.end()

    async def stop_listening(self, connection: NatsClient, limit: float) -> None:
        """Ends all subscriptions of a connection; what has come is heard, for up to `limit` seconds."""
        if connection is not self._connection:
            return
        listeners, self._listeners = self._listeners, set()
        await asyncio.gather(*(listener.drain(limit) for listener in listeners))

    @property
    def _connection(self) -> NatsClient | None:
        return self._given or self._find()

    def _watch(self, connection: NatsClient) -> None:
        if connection is self._watched:
            return
        self._watched = connection
        connection.on_connection(lambda: self._renew(connection))
        connection.at_end(partial(self.stop_listening, connection))

    def _renew(self, connection: NatsClient) -> None:
        """nats-py keeps subscriptions through a reconnect; a client in the place of another knows of none."""
        if connection is not self._connection:
            return
        for listener in self._listeners:
            task = asyncio.create_task(self._renewed(listener, connection))
            self._renewals.add(task)
            task.add_done_callback(self._renewals.discard)

    async def connection(self, what: str) -> NatsClient:
        """The connection itself, waited for where there is none, for what is not done here.

        Args:
            what: wants it, for the error's message.

        Raises:
            RuntimeError: no worker runs in this process.
            CallTimeout: there is no connection.
        """
        connection, _ = await self._connected(what, self.CONNECT_LIMIT)
        return connection

    def _used(self, subject: str) -> NatsClient:
        connection = self._connection
        if connection is None:
            raise RuntimeError(f"{subject}: no worker runs in this process")
        return connection

    async def _connected(self, subject: str, limit: float) -> tuple[NatsClient, float]:
        """The connection, waited for where there is none, and what is left of the seconds in `limit`."""
        connection = self._used(subject)
        if connection.connected:
            return connection, limit
        began = time.monotonic()
        await connection.wait_connected(limit)
        if not connection.connected or (left := began + limit - time.monotonic()) <= 0:
            raise NotConnected(f"{subject}: not connected to NATS")
        return connection, left

    async def _renewed(self, listener: Listener, connection: NatsClient) -> None:
        try:
            await listener.subscribe(connection)
        except nats_errors.Error as error:  # the connection is gone again; the next one comes here too
            logger.warning("not listening", subject=listener.subject, error=named(error))


def _message(
    connection: NatsClient, subject: str, payload: Any, headers: Mapping[str, str] | None
) -> tuple[bytes, dict[str, str] | None]:
    """Payload and headers as they are sent.

    Raises:
        TooLarge: they do not fit into one message.
    """
    data, own = wire(payload)
    sent = {**following(), **own, **(headers or {})}
    connection.check_size(subject, data, sent)
    return data, sent or None


def _of_the_worker() -> NatsClient | None:
    connection = channel()
    return connection if isinstance(connection, NatsClient) else None


nats = Nats(_of_the_worker)
