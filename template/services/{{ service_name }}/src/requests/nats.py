"""NATS from anywhere in the service: `await nats.call("v1.greeter.greet", {"name": "Ada"})`.

Nothing stores what is published here. For messages that must not be lost, use `src.infrastructure.publishing.publish`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from typing import Any, TypeVar

import nats.errors as nats_errors
from nats.aio.msg import Msg

from src.infrastructure import errors
from src.infrastructure.errors import describe
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.publishing import channel, following, wire
from src.requests.errors import CallError, CallTimeout, NoResponders, NotConnected, RemoteError
from src.requests.listeners import Callback, Listener
from src.requests.replies import TOO_SLOW, UNAVAILABLE, reader_for

Result = TypeVar("Result")
Headers = Mapping[str, str] | None

REPEATABLE = (UNAVAILABLE, TOO_SLOW)  # errors that another attempt or another instance may avoid
PAUSE = (0.05, 1.0)  # seconds before repeating an attempt that failed at once: the first, and the longest


class Nats:
    """Core NATS over one connection, by default the worker's.

    Calls and messages sent while handling a message or a request carry its `Correlation-Id` and trace.
    """

    CONNECT_LIMIT = 5.0  # seconds that `publish` waits for a connection, and for the server's confirmation

    def __init__(self, connection: NatsClient | None = None) -> None:
        self._given = connection
        self._listeners: set[Listener] = set()

    async def call(
        self,
        subject: str,
        payload: Any = None,
        *,
        timeout: float = 2.0,
        retries: int = 0,
        headers: Headers = None,
        response: type[Result] | None = None,
    ) -> Result | Any:
        """Call an action and return its result.

        Args:
            subject: the action's subject, such as `v1.greeter.greet`.
            payload: a model, JSON data or bytes.
            timeout: seconds for each attempt.
            retries: attempts after the first, if nobody answers in time (or the answer is 504), nobody listens, or the
                instance is busy or stopping (503). After a timeout the action may run twice.
            headers: in addition to correlation and trace, which are passed on.
            response: the type to validate the result as; `bytes` for the reply unchanged, None for any JSON.

        Raises:
            CallTimeout: nobody answered in time.
            NoResponders: nobody is subscribed to the subject.
            RemoteError: the answer is an error.
            InvalidReply: the reply is not a result, or not of the type `response`.
            TooLarge: the payload does not fit into one message.
        """
        data = b"" if payload is None else payload
        kind: Any = response
        read = reader_for(kind)
        pause, longest = PAUSE
        while True:
            try:
                return read(await self.request(subject, data, timeout=timeout, headers=headers))
            except (CallTimeout, NoResponders, RemoteError) as error:
                if not retries or (isinstance(error, RemoteError) and error.code not in REPEATABLE):
                    raise
                if not isinstance(error, CallTimeout):  # failed at once
                    await asyncio.sleep(pause * random.uniform(0.5, 1))
                    pause = min(2 * pause, longest)
                retries -= 1

    async def request(self, subject: str, payload: Any = b"", *, timeout: float = 2.0, headers: Headers = None) -> Msg:
        """Send a request and return the first reply unchanged, whatever it says.

        Args:
            subject: the subject to send it on.
            payload: a model, JSON data or bytes.
            timeout: seconds to wait for the reply.
            headers: in addition to correlation and trace, which are passed on.

        Raises:
            CallTimeout, NoResponders, TooLarge: as `call`.
        """
        deadline = time.monotonic() + timeout
        connection = await self.connection(subject, timeout)
        data, sent = _message(connection, subject, payload, headers)
        try:
            left = max(deadline - time.monotonic(), 0.001)
            send = connection.observed(connection.client.request, kind="client")
            return await send(subject, data, timeout=left, headers=sent)
        except nats_errors.NoRespondersError:
            raise NoResponders(f"{subject}: nobody listens to it") from None
        except TimeoutError:
            raise CallTimeout(f"{subject}: no answer within {timeout:g} s") from None
        except nats_errors.Error as error:
            raise CallError(f"{subject}: {describe(error)}") from error

    async def publish(self, subject: str, payload: Any, headers: Headers = None, *, flush: bool = False) -> None:
        """Publish to all current subscribers. Nothing confirms or stores the message.

        Args:
            subject: the subject to publish on.
            payload: a model, JSON data or bytes.
            headers: in addition to correlation and trace, which are passed on.
            flush: whether to wait until the server has it.

        Raises:
            CallTimeout: there is no connection, or the server did not confirm the message in time.
            TooLarge: the payload does not fit into one message.
        """
        connection = await self.connection(subject)
        data, sent = _message(connection, subject, payload, headers)
        try:
            send = connection.observed(connection.client.publish, kind="producer")
            await send(subject, data, headers=sent)
        except nats_errors.Error as error:
            raise CallError(f"{subject}: {describe(error)}") from error
        if flush and not await connection.flushed(self.CONNECT_LIMIT):
            raise CallTimeout(f"{subject}: the server did not confirm the message within {self.CONNECT_LIMIT:g} s")

    async def subscribe(self, subject: str, callback: Callback, queue: str | None = None) -> Listener:
        """Call `callback(context)` with each message, one by one, until `unsubscribe`.

        An error in the callback is logged, and the next message is handled.

        Args:
            subject: the subject to subscribe to; `*` and a final `>` are wildcards.
            callback: a coroutine function; `context` has `payload`, `headers`, `subject` and the `message`.
            queue: the queue group; one of its listeners gets each message.

        Returns:
            The listener, for `unsubscribe`. Without a connection, it subscribes as soon as there is one.
        """
        connection = self._given or channel(subject)
        connection.finishing.add(self.stop_listening)
        listener = Listener(connection, subject, callback, queue or "")
        self._listeners.add(listener)
        await listener.subscription.start()
        return listener

    async def unsubscribe(self, listener: Listener) -> None:
        """Unsubscribe, and drop messages that have not started. The callback itself may call this."""
        self._listeners.discard(listener)
        await listener.end()

    async def stop_listening(
        self, connection: NatsClient, limit: float, hurry: asyncio.Future[None] | None = None
    ) -> None:
        """End all listeners of a connection; each handles what has arrived, as `Listener.stop` does."""
        ending = {listener for listener in self._listeners if listener.subscription.nats is connection}
        self._listeners -= ending
        await asyncio.gather(*(listener.stop(limit, hurry) for listener in ending))

    async def connection(self, what: str, limit: float = CONNECT_LIMIT) -> NatsClient:
        """Return the connection, once it is connected.

        Args:
            what: the purpose, for the error's message.
            limit: seconds to wait for it.

        Raises:
            RuntimeError: no worker runs in this process.
            NotConnected: there is no connection in time.
        """
        connection = self._given or channel(what)
        try:
            await connection.wait_connected(what, limit)
        except errors.NotConnected as error:
            raise NotConnected(str(error)) from None
        return connection


def _message(
    connection: NatsClient, subject: str, payload: Any, headers: Headers
) -> tuple[bytes, dict[str, str] | None]:
    """Return the payload and headers to send."""
    data, own = wire(payload)
    sent = {**following(), **own, **(headers or {})}
    connection.check_size(subject, data, sent)
    return data, sent or None


nats = Nats()
