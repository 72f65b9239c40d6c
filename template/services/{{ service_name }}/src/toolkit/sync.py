"""NATS for synchronous code: scripts, notebooks, Django's synchronous views.

with SyncNats() as nats:
    print(nats.call("v1.greeter.greet", {"name": "Ada"}))
    colours = nats.blocking(Bucket("colours", str))
    colours.put("sky", "blue")
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any, TypeVar

import structlog
from nats.js.api import PubAck

from src.config import Settings, settings
from src.infrastructure.errors import NotConnected
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.publishing import Payload, own_channel, publish
from src.infrastructure.worker import connection_for
from src.requests.listeners import Listener
from src.requests.nats import Headers, nats
from src.requests.request import Context
from src.toolkit.background import Background

Result = TypeVar("Result")


class SyncNats:
    """A separate connection on an event loop in the background, for any number of threads.

    Use it in a `with` block, or open it once and close it at the end. If a server forks its processes, as Gunicorn does
    for Django, each process opens its own: `nats.open().call(...)` costs nothing if it is already open.

    Args:
        url: the servers, as in `NATS_URL`; by default that setting.
        connect_timeout: seconds that connecting may take.
        settings: the service's settings.
    """

    STOP_LIMIT = 2.0  # seconds to handle received messages at the end

    def __init__(self, url: str | None = None, *, connect_timeout: float = 10.0, settings: Settings = settings) -> None:
        self._settings = settings.model_copy(update={"NATS_URL": url}) if url else settings
        self._connect_timeout = connect_timeout
        self._background: Background | None = None
        self._of_parents: list[Background | None] = []  # kept open here, because the parent process uses them
        self._opening = threading.Lock()
        self._connection: NatsClient | None = None

    def open(self) -> SyncNats:
        """Connect, unless it is connected.

        Raises:
            NotConnected: there is no connection in time.
            ConfigurationError: the credentials, certificates or addresses are unusable.
        """
        with self._opening:
            if self._background and not self._background.forked:
                return self
            if not structlog.is_configured():  # the standard library shows warnings only, on standard error
                structlog.configure(
                    [structlog.stdlib.filter_by_level, structlog.processors.KeyValueRenderer(key_order=["event"])],
                    logger_factory=structlog.stdlib.LoggerFactory(),
                    wrapper_class=structlog.stdlib.BoundLogger,
                )
            self._of_parents.append(self._background)
            background = Background("nats")
            try:
                background.run(self._connect())
            except BaseException:
                background.stop()
                raise
            self._background = background
        return self

    def close(self) -> None:
        """Flush, and close the connection. You can call this twice, and in a forked process."""
        with self._opening:
            background, self._background = self._background, None
            if background and not background.forked:
                try:
                    background.run(self._disconnect())
                finally:
                    background.stop()

    def __enter__(self) -> SyncNats:
        return self.open()

    def __exit__(self, *error: object) -> None:
        self.close()

    def blocking(self, original: Any) -> Any:
        """Return the synchronous form of an object, a function or a result, over this connection.

        Its coroutine methods wait for their result, and its asynchronous generators are iterators:
        `nats.blocking(Bucket("colours")).get("sky")`, `nats.blocking(enqueue)("emails.send_email", {...})`. Results
        have this form too. An object without such methods is returned unchanged.
        """
        if inspect.iscoroutinefunction(original):
            return lambda *args, **kwargs: self.blocking(self.run(original, *args, **kwargs))
        if inspect.isasyncgenfunction(original):
            return lambda *args, **kwargs: self.iterate(original, *args, **kwargs)
        if isinstance(original, list):
            return [self.blocking(item) for item in original]
        return Blocking(self, original) if _is_asynchronous(type(original)) else original  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        """Return `call`, `request`, `publish` or `unsubscribe` of `src.requests.nats`, which wait for their result."""
        return self.blocking(getattr(nats, name))

    def publish_to_stream(
        self, subject: str, data: Payload, *, headers: Headers = None, message_id: str | None = None
    ) -> PubAck:
        """Publish to a stream and return its confirmation, as `publish` of `src.infrastructure.publishing`.

        Raises:
            TooLarge: it does not fit into one message.
            NoStream: no stream captures the subject.
            NotConnected: there is no connection in time.
            nats.errors.Error: the server does not answer or rejects it.
        """
        return self.run(publish, subject, data, headers=headers, message_id=message_id)

    def subscribe(self, subject: str, handler: Callable[[Context], object], queue: str | None = None) -> Listener:
        """Call `handler(context)` in a thread with each message, one by one, as `nats.subscribe` does."""
        return self.run(nats.subscribe, subject, lambda context: asyncio.to_thread(handler, context), queue)

    def run(self, function: Callable[..., Awaitable[Result]], *args: Any, **kwargs: Any) -> Result:
        """Call a function over this connection, await what it returns, and return the result unchanged."""

        async def over_own_connection() -> Result:
            own_channel.set(self._connection)
            return await function(*args, **kwargs)

        return self._opened().run(over_own_connection())

    def iterate(self, function: Callable[..., AsyncIterator[Any]], *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Call an asynchronous generator function over this connection, and yield what it yields."""
        generator, ended = function(*args, **kwargs), object()

        async def close() -> None:
            with suppress(RuntimeError, AttributeError):  # it is already being cancelled, or has nothing to close
                await generator.aclose()  # type: ignore[attr-defined]

        try:
            while (value := self.run(anext, generator, ended)) is not ended:
                yield self.blocking(value)
        finally:  # the garbage collector may call this in any thread, so it does not wait
            if self._background:
                self._background.start_soon(close())

    def _opened(self) -> Background:
        if self._background is None:
            raise RuntimeError("not open: use it as `with SyncNats() as nats: ...`, or call `open()` first")
        if self._background.forked:
            raise RuntimeError("opened before this process was forked: each process opens its own")
        return self._background

    async def _connect(self) -> None:
        connection = connection_for(self._settings)
        connecting = asyncio.create_task(connection.connect())
        done, _ = await asyncio.wait([connecting], timeout=self._connect_timeout)
        if not done:
            connecting.cancel()
            servers = ", ".join(url.rpartition("@")[2] for url in self._settings.nats_urls)  # without passwords
            raise NotConnected(f"no connection to {servers} within {self._connect_timeout:g} s")
        connecting.result()
        self._connection = connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await nats.stop_listening(connection, self.STOP_LIMIT)
            await connection.close()


class Blocking:
    """An object whose asynchronous methods block; see `SyncNats.blocking`."""

    def __init__(self, nats: SyncNats, original: Any) -> None:
        self._nats = nats
        self._original = original

    def __getattr__(self, name: str) -> Any:
        return self._nats.blocking(getattr(self._original, name))

    def __iter__(self) -> Iterator[Any]:
        return self._nats.iterate(aiter, self._original)


@lru_cache(maxsize=1000)
def _is_asynchronous(kind: type) -> bool:
    members = (inspect.getattr_static(kind, name) for name in dir(kind))
    return any(inspect.iscoroutinefunction(member) or inspect.isasyncgenfunction(member) for member in members)
