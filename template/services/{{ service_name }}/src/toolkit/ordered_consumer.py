"""Every message of a subject of a stream, in order, across reconnects.

nats-py's ordered consumer belongs to one client and buffers unread messages without a limit. This one is a
`PullConsumer` of an ephemeral consumer, which is created again after the last message if there is another connection, a
gap, or a stream that was deleted and recreated.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

import nats.errors
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from src.infrastructure.nats_client import NatsClient
from src.infrastructure.provisioning import Consumer
from src.infrastructure.pull_consumer import PullConsumer

INACTIVE = 60.0  # seconds without a request after which the server deletes the consumer
GIVE_UP_AFTER = 10.0  # seconds without a message; an endless one never gives up


@dataclass(slots=True)
class OrderedConsumer:
    """Reads a subject of a stream.

    Attributes:
        connection: the connection.
        stream: the stream.
        subject: the subject; `*` and a final `>` are wildcards.
        latest: whether to start with the last message of each subject, not with the first of all.
        headers_only: whether to omit payloads.
        endless: whether to wait for new messages without end.
        prefetch: the number of messages requested ahead.
    """

    connection: NatsClient
    stream: str
    subject: str
    latest: bool = True
    headers_only: bool = False
    endless: bool = False
    prefetch: int = 500
    _frames: asyncio.Queue[Msg | None] = field(default_factory=asyncio.Queue, init=False)  # None if there are no more
    _name: str = field(default="", init=False)  # of the consumer; empty if another one must be created
    _received: int = field(default=0, init=False)  # from this consumer
    _sequence: int = field(default=0, init=False)  # of the last message
    _created: datetime | None = field(default=None, init=False)  # a recreated stream starts at 1 again

    async def messages(self) -> AsyncGenerator[Msg, None]:
        """Yield the messages.

        Raises:
            TimeoutError: no message for `GIVE_UP_AFTER` seconds, unless it is endless.
        """
        pull = PullConsumer(
            self.connection, self._provide, lambda frame, _: self._frames.put_nowait(frame), self.prefetch
        )

        def renew() -> None:
            self._name, pull.consumer = "", None

        self.connection.listeners.add(renew)
        pulling = asyncio.create_task(pull.run())
        try:
            while frame := await self._next():
                pull.started(len(frame.data))
                metadata = frame.metadata
                if metadata.consumer != self._name:
                    continue
                self._received += 1
                if metadata.sequence.consumer != self._received:
                    renew()
                    continue
                if metadata.sequence.stream > self._sequence:
                    self._sequence = metadata.sequence.stream
                    yield frame
                if not metadata.num_pending and not self.endless:
                    return
        finally:
            self.connection.listeners.discard(renew)
            await pull.stop()
            pulling.cancel()
            if self._name and self.connection.connected:
                with suppress(nats.errors.Error, TimeoutError):  # the server deletes an inactive consumer anyway
                    await self.connection.jetstream.delete_consumer(self.stream, self._name)

    async def _next(self) -> Msg | None:
        """Return the next frame; None if there are no more."""
        try:
            async with asyncio.timeout(None if self.endless else GIVE_UP_AFTER):
                return await self._frames.get()
        except TimeoutError:
            raise TimeoutError(f"{self.subject}: no message for {GIVE_UP_AFTER:g} s") from None

    async def _provide(self) -> Consumer:
        """Create a consumer that continues after the last message."""
        jetstream = self.connection.jetstream
        stream = await jetstream.stream_info(self.stream)
        if stream.created != self._created:
            self._created, self._sequence = stream.created, 0
        resumes = self._sequence > 0 and (self.endless or not self.latest)
        start = DeliverPolicy.LAST_PER_SUBJECT if self.latest else DeliverPolicy.ALL
        config = ConsumerConfig(
            name=self.connection.client.new_inbox().rpartition(".")[2],
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE if resumes else start,
            opt_start_seq=self._sequence + 1 if resumes else None,
            ack_policy=AckPolicy.NONE,
            filter_subject=self.subject,
            headers_only=self.headers_only,
            inactive_threshold=INACTIVE,
            mem_storage=True,
            num_replicas=1,
        )
        info = await jetstream.add_consumer(self.stream, config)
        self._name, self._received = info.name, 0
        if not info.num_pending and not self.endless:
            self._frames.put_nowait(None)
        return Consumer(self.stream, info.name)
