"""Observe messages: read the streams, and subscribe to unstored subjects and to the acks of consumers.

Workers send nothing extra for this.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import StreamInfo

from natsgen.dev.history import History
from natsgen.dev.traces import is_readable, read
from natsgen.dlq import connection
from natsgen.dlq.settings import Settings
from natsgen.errors import NatsError
from natsgen.parts import naming

ANSWERS = "$JS.ACK.>"
LOOK_EVERY = 1.0  # seconds between two looks for new streams
RECENT = 200  # earlier messages of a stream
PENDING = 16 * 1024 * 1024  # bytes that wait for the server


async def connect(settings: Settings) -> Client:
    """Return a connection that lasts as long as `natsgen dev`.

    Raises:
        NatsError: the server cannot be reached at first.
    """
    logging.getLogger("nats").setLevel(logging.CRITICAL)  # a server that is down shows elsewhere
    failed: asyncio.Future[NatsError] = asyncio.get_running_loop().create_future()
    lasting = {"name": "natsgen dev", "pending_size": PENDING, "ping_interval": 120, "max_outstanding_pings": 2}
    client = (await connection.connect(settings, failed, **lasting)).client
    client.options.update(allow_reconnect=True, max_reconnect_attempts=-1, reconnect_time_wait=0.5)
    return client


class Traffic:
    """Fill a history with the observed messages.

    Args:
        client: the connection.
        history: the history to fill.
        unstored: returns the subjects of services that no stream stores.

    Attributes:
        streams: the streams by name, as of the last look.
    """

    def __init__(self, client: Client, history: History, unstored: Callable[[], Iterable[str]]) -> None:
        self.streams: dict[str, StreamInfo] = {}
        self._client = client
        self._history = history
        self._unstored = unstored
        self._reading: dict[str, asyncio.Task[None]] = {}
        self._next: dict[str, tuple[Any, int]] = {}
        self._heard: dict[str, Subscription] = {}
        self._is_first_look = True

    async def run(self) -> None:
        """Observe until the task is cancelled."""
        await self._client.subscribe(ANSWERS, cb=self._answered)
        try:
            while True:
                with suppress(nats.errors.Error, TimeoutError, OSError):
                    await self._look()
                await asyncio.sleep(LOOK_EVERY)
        finally:
            for task in self._reading.values():
                task.cancel()

    async def _look(self) -> None:
        found = await self._client.jetstream().streams_info()
        self.streams = {str(info.config.name): info for info in found}
        stored: set[str] = set()
        heard = set(self._unstored())
        for name, info in self.streams.items():
            if is_readable(info):
                stored.update(info.config.subjects or ())
                if name not in self._reading or self._reading[name].done():
                    self._reading[name] = asyncio.create_task(self._read(name, info, self._start(name, info)))
            elif not name.startswith(("KV_", "OBJ_")):
                heard.update(info.config.subjects or ())
        await self._hear({one for one in heard if not any(naming.matches(pattern, one) for pattern in stored)})
        self._is_first_look = False

    def _start(self, name: str, info: StreamInfo) -> int:
        created, following = self._next.get(name, (None, 0))
        if created == info.created and following:
            return following
        return max(1, info.state.last_seq - RECENT + 1) if self._is_first_look else 1

    async def _read(self, name: str, info: StreamInfo, start: int) -> None:
        with suppress(nats.errors.Error, TimeoutError, OSError):  # the next look continues here
            async for message in read(self._client.jetstream(), info, start):
                metadata = message.metadata
                sequence = metadata.sequence.stream
                self._next[name] = info.created, sequence + 1
                stored_at = metadata.timestamp.timestamp()
                headers = message.headers or {}
                self._history.add(
                    message.subject, message.data, headers, stream=name, sequence=sequence, stored_at=stored_at
                )

    async def _hear(self, subjects: set[str]) -> None:
        for subject in self._heard.keys() - subjects:
            await self._heard.pop(subject).unsubscribe()
        for subject in subjects - self._heard.keys():
            self._heard[subject] = await self._client.subscribe(subject, cb=self._take)

    async def _take(self, message: Msg) -> None:
        self._history.add(message.subject, message.data, message.headers or {})

    async def _answered(self, message: Msg) -> None:
        try:
            metadata = Msg(_client=self._client, reply=message.subject).metadata
        except nats.errors.Error:
            return
        stream, consumer = metadata.stream, metadata.consumer
        self._history.settle(stream, metadata.sequence.stream, consumer, message.data, metadata.num_delivered or 1)
