"""NATS for synchronous code: scripts, notebooks, Django's synchronous views.

with SyncNats() as nats:
    print(nats.call("v1.greeter.greet", {"name": "Ada"}))
    nats.bucket("settings").put("colour", "green")
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import structlog
from nats.aio.msg import Msg
from nats.js.api import PubAck

from src.config import Settings, settings
from src.infrastructure.handling.publication import Payload, Publication
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.publisher import published_over
from src.requests.listeners import Listener
from src.requests.nats import Nats
from src.requests.request import Context
from src.toolkit.background import Background
from src.toolkit.batches import Outgoing, Sent, publish_many
from src.toolkit.errors import Unavailable, translated
from src.toolkit.kv import Bucket, Value
from src.toolkit.objects import Store
from src.toolkit.statistics import DeepHealth, ServerStatistics, deep_health, server_statistics
from src.toolkit.streams import Streams
from src.toolkit.sync_parts import SyncBucket, SyncStore, SyncStreams

if TYPE_CHECKING:
    from src.tasks.names import Priority
    from src.tasks.sync import SyncTasks, SyncTicket
    from src.tasks.task import PayloadT, Rest, ResultT, Task

Result = TypeVar("Result")


class SyncNats:
    """A connection of its own, with the service's settings, on an event loop in the background; for any thread.

    To be used in a `with` block, or opened once and closed at the end. Where a server forks its processes, as Gunicorn
    does for Django, each opens its own: `nats.open().call(...)` costs nothing where it is open.

    Args:
        url: servers, as `NATS_URL`; without it that setting.
        connect_timeout: seconds that it may take to connect.
        settings: of the service.
    """

    STOP_LIMIT = 2.0  # seconds that what has been heard has to be handled at the end

    def __init__(self, url: str | None = None, *, connect_timeout: float = 10.0, settings: Settings = settings) -> None:
        self._settings = settings.model_copy(update={"NATS_URL": url}) if url else settings
        self._connect_timeout = connect_timeout
        self._background = Background("nats")
        self._opening = threading.Lock()
        self._nats = Nats()
        self._connection: NatsClient | None = None
        self._tasks: SyncTasks | None = None
        self.streams = SyncStreams(self._background, Streams(self._nats))

    def open(self) -> SyncNats:
        """Connects, unless it is connected.

        Raises:
            Unavailable: that took too long.
            ConfigurationError: the credentials, certificates or addresses cannot be used.
        """
        with self._opening:
            if self._background.running:
                return self
            _quiet_unless_configured()
            self._background.start()
            try:
                self._background.run(self._connect)
            except BaseException:
                self._background.stop()
                raise
        return self

    def close(self) -> None:
        """Sends what waits to be sent, and closes. May be called twice."""
        with self._opening:
            try:
                if self._background.running:
                    self._background.run(self._disconnect)
            finally:
                self._background.stop()

    def __enter__(self) -> SyncNats:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @overload
    def call(
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
    def call(
        self,
        subject: str,
        payload: Any = None,
        *,
        timeout: float = 2.0,
        retries: int = 0,
        headers: Mapping[str, str] | None = None,
        response: None = None,
    ) -> Any: ...

    def call(self, subject: str, payload: Any = None, *, response: Any = None, **options: Any) -> Any:
        """Has an action carried out and returns its result, as `Nats.call`."""

        async def called() -> Any:
            return await self._nats.call(subject, payload, response=response, **options)

        return self._background.run(called)

    def request(
        self, subject: str, payload: Any = b"", *, timeout: float = 2.0, headers: Mapping[str, str] | None = None
    ) -> Msg:
        """Sends a request and returns the first reply as it is, as `Nats.request`."""
        return self._background.run(self._nats.request, subject, payload, timeout=timeout, headers=headers)

    def publish(
        self, subject: str, payload: Any, headers: Mapping[str, str] | None = None, *, flush: bool = False
    ) -> None:
        """Publishes to whoever listens right now, as `Nats.publish`; what must arrive goes to a stream."""
        self._background.run(self._nats.publish, subject, payload, headers, flush=flush)

    def publish_to_stream(
        self, subject: str, data: Payload, *, headers: Mapping[str, str] | None = None, message_id: str | None = None
    ) -> PubAck:
        """Publishes to a stream and returns its confirmation, as `publish` of `src.infrastructure.publisher`.

        Raises:
            TooLarge: it does not fit into one message.
            Missing, Unavailable, Refused: see `src.toolkit.errors`.
        """

        async def confirmed() -> PubAck:
            with translated(subject):
                return await self._publication(subject, data, headers=headers, message_id=message_id)

        return self._background.run(confirmed)

    def publish_many(self, messages: Iterable[Outgoing | tuple[str, Payload]]) -> list[Sent]:
        """Publishes many messages to streams, as `publish_many` of `src.toolkit.batches`."""
        return self._background.run(publish_many, messages, publish=self._publication)

    def subscribe(self, subject: str, handler: Callable[[Context], object], queue: str | None = None) -> Listener:
        """Has `handler(context)` called with each message, one after the other, in a thread; as `Nats.subscribe`."""

        async def hear(context: Context) -> None:
            await asyncio.to_thread(handler, context)

        return self._background.run(self._nats.subscribe, subject, hear, queue)

    def unsubscribe(self, subscription: Listener) -> None:
        """Ends a subscription, as `Nats.unsubscribe`."""
        self._background.run(self._nats.unsubscribe, subscription)

    def bucket(
        self,
        name: str,
        model: type[Value] | None = None,
        *,
        ttl: float | None = None,
        history: int = 1,
        max_bytes: int | None = None,
        replicas: int | None = None,
        storage: Literal["file", "memory"] = "file",
        expired: float | None = None,
    ) -> SyncBucket[Value]:
        """A key-value bucket, as `Bucket` of `src.toolkit.kv`."""
        original: Bucket[Value] = Bucket(
            name,
            model,
            ttl=ttl,
            history=history,
            max_bytes=max_bytes,
            replicas=replicas,
            storage=storage,
            expired=expired,
            nats=self._nats,
        )
        return SyncBucket(self._background, original)

    def store(
        self,
        name: str,
        *,
        ttl: float | None = None,
        max_bytes: int | None = None,
        replicas: int | None = None,
        storage: Literal["file", "memory"] = "file",
    ) -> SyncStore:
        """An object store, as `Store` of `src.toolkit.objects`."""
        original = Store(name, ttl=ttl, max_bytes=max_bytes, replicas=replicas, storage=storage, nats=self._nats)
        return SyncStore(self._background, original)

    @overload
    def enqueue(
        self,
        task: Task[PayloadT, Rest, ResultT],
        payload: PayloadT | Mapping[str, Any] | None = None,
        *,
        priority: Priority | None = None,
        delay: float | None = None,
        at: datetime | None = None,
        result_ttl: float | None = None,
        task_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> SyncTicket[ResultT]: ...

    @overload
    def enqueue(
        self,
        task: str,
        payload: Any = None,
        *,
        priority: Priority | None = None,
        delay: float | None = None,
        at: datetime | None = None,
        result_ttl: float | None = None,
        task_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> SyncTicket[Any]: ...

    def enqueue(self, task: Any, payload: Any = None, **options: Any) -> SyncTicket[Any]:
        """Has a worker do a task, as `enqueue` of `src.tasks`."""
        return self._task_queues().enqueue(task, payload, **options)

    def ticket_for(self, task: Task[Any, ..., Any] | str, task_id: str) -> SyncTicket[Any]:
        """The ticket of a task that was enqueued earlier, as `ticket_for` of `src.tasks`."""
        return self._task_queues().ticket_for(task, task_id)

    def server_statistics(self) -> ServerStatistics:
        """What JetStream holds, as `server_statistics` of `src.toolkit.statistics`."""
        return self._background.run(server_statistics, self._nats)

    def deep_health(self) -> DeepHealth:
        """Whether JetStream really works, as `deep_health` of `src.toolkit.statistics`."""
        return self._background.run(deep_health, self._nats)

    def _task_queues(self) -> SyncTasks:
        if self._tasks is None:
            from src.tasks.sync import SyncTasks  # nothing of tasks is loaded where nobody asks for them

            self._tasks = SyncTasks(self._background, self._nats, self._publication)
        return self._tasks

    def _publication(
        self, subject: str, data: Payload, *, headers: Mapping[str, str] | None, message_id: str | None
    ) -> Publication:
        if self._connection is None:
            raise RuntimeError(f"{subject}: not open")
        return published_over(self._connection, subject, data, headers=headers, message_id=message_id)

    async def _connect(self) -> None:
        self._tasks = None  # what it holds belongs to the loop before
        connection = NatsClient(self._settings)
        connecting = asyncio.create_task(connection.connect())
        done, _ = await asyncio.wait([connecting], timeout=self._connect_timeout)
        if not done:
            connecting.cancel()
            raise Unavailable(f"no connection to {_shown(self._settings)} within {self._connect_timeout:g} s")
        connecting.result()
        self._connection = connection
        self._nats.use(connection)

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._nats.stop_listening(connection, self.STOP_LIMIT)
            self._nats.use(None)
            await connection.close()


def _shown(settings: Settings) -> str:
    """The servers without user names and passwords."""
    return ", ".join(url.rpartition("@")[2] for url in settings.nats_urls)


def _quiet_unless_configured() -> None:
    """Leaves the worker's log lines to the standard library, which shows warnings alone, on standard error."""
    if not structlog.is_configured():
        structlog.configure(
            processors=[
                structlog.stdlib.filter_by_level,
                structlog.processors.format_exc_info,
                structlog.processors.KeyValueRenderer(key_order=["event"]),
            ],
            logger_factory=structlog.stdlib.LoggerFactory(),
            wrapper_class=structlog.stdlib.BoundLogger,
        )
