"""Every message of a subject of a stream, in order, across reconnects.

nats-py's ordered consumer belongs to one client and keeps unread messages without a limit. This one is a `PullConsumer`
of an ephemeral consumer, which is created again after the last message whenever something is unexpected: another
connection, a gap, or a stream that was deleted and recreated.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import nats.errors
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, RawStreamMsg

from src.infrastructure.nats_client import NatsClient
from src.infrastructure.provisioning import Consumer
from src.infrastructure.pull_consumer import PullConsumer
from src.toolkit.backing import BackingStream
from src.toolkit.connection import used
from src.toolkit.errors import Unavailable

INACTIVE = 60.0  # seconds without a request after which the server deletes the consumer
QUIET = 1.0  # seconds without a message after which the end is looked for
GIVE_UP_AFTER = 10.0  # seconds without a message; an endless one never gives up


@dataclass(slots=True)
class OrderedConsumer:
    """Reads a subject of a stream.

    Attributes:
        backing: the stream.
        subject: the subject; `*` and a last `>` are wildcards.
        latest: whether to start with the last message of each subject, not with the first of all.
        only_new: whether to skip what is there.
        headers_only: whether to leave out payloads.
        endless: whether to wait for new messages, for ever.
        prefetch: how many messages are requested ahead.
    """

    backing: BackingStream
    subject: str
    latest: bool = True
    only_new: bool = False
    headers_only: bool = False
    endless: bool = False
    prefetch: int = 500
    _frames: asyncio.Queue[Msg | None] = field(default_factory=asyncio.Queue, init=False)  # None if there are no more
    _name: str = field(default="", init=False)  # of the consumer; empty if another one has to be created
    _received: int = field(default=0, init=False)  # from this consumer
    _sequence: int = field(default=0, init=False)  # of the last message
    _created: datetime | None = field(default=None, init=False)  # a recreated stream counts from 1 again

    async def messages(self) -> AsyncGenerator[RawStreamMsg, None]:
        """Yield the messages.

        Raises:
            Missing: the stream does not exist, and `STREAM_MODE` does not allow to create it.
            Unavailable: no message for `GIVE_UP_AFTER` seconds, unless it is endless.
        """
        connection = used(self.backing.what)
        pull = PullConsumer(connection, lambda: self._provide(connection), self._receive, self.prefetch)

        def renew() -> None:
            self._name, pull.consumer = "", None

        connection.listeners.add(renew)
        pulling = asyncio.create_task(pull.run())
        pulling.add_done_callback(lambda _: self._frames.put_nowait(None))
        try:
            while frame := await self._next(connection):
                pull.started(len(frame.data))
                metadata = frame.metadata
                if metadata.consumer != self._name:
                    continue
                self._received += 1
                if metadata.sequence.consumer != self._received:
                    renew()
                    continue
                if metadata.sequence.stream > self._sequence:
                    self._sequence, stored = metadata.sequence.stream, stored_at(frame.reply)
                    yield RawStreamMsg(frame.subject, self._sequence, frame.data, headers=frame.headers, time=stored)
                if not metadata.num_pending and not self.endless:
                    return
            if pulling.done():
                pulling.result()
        finally:
            connection.listeners.discard(renew)
            await pull.stop()
            pulling.cancel()
            if self._name and connection.connected:
                with suppress(nats.errors.Error, TimeoutError):  # the server deletes an inactive consumer by itself
                    await connection.jetstream.delete_consumer(self.backing.stream, self._name)

    def _receive(self, frame: Msg, _: PullConsumer) -> None:
        self._frames.put_nowait(frame)

    async def _next(self, connection: NatsClient) -> Msg | None:
        """Return the next frame; None if there are no more.

        Raises:
            Unavailable: none has come for too long.
        """
        give_up_at = time.monotonic() + GIVE_UP_AFTER
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(QUIET):
                    return await self._frames.get()
            if self.endless:
                continue
            if time.monotonic() > give_up_at:
                raise Unavailable(f"{self.backing.what}: no message has come for {GIVE_UP_AFTER:g} s")
            with suppress(nats.errors.Error, TimeoutError):
                info = await connection.jetstream.consumer_info(self.backing.stream, self._name)
                if not info.num_pending and info.delivered and info.delivered.consumer_seq == self._received:
                    return None  # the rest was deleted meanwhile

    async def _provide(self, connection: NatsClient) -> Consumer:
        """Create a consumer that continues after the last message."""
        try:
            stream = await self.backing.info()
        except Unavailable as error:
            raise TimeoutError(str(error)) from error  # the pull consumer tries again
        if stream.created != self._created:
            self._created, self._sequence = stream.created, 0
        if self.only_new:
            self._sequence, self.only_new = stream.state.last_seq, False
        resumes = self._sequence > 0 and (self.endless or not self.latest)
        start = DeliverPolicy.LAST_PER_SUBJECT if self.latest else DeliverPolicy.ALL
        config = ConsumerConfig(
            name=connection.client.new_inbox().rpartition(".")[2],
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE if resumes else start,
            opt_start_seq=self._sequence + 1 if resumes else None,
            ack_policy=AckPolicy.NONE,
            filter_subject=self.subject,
            headers_only=self.headers_only,
            inactive_threshold=INACTIVE,
            mem_storage=True,
            num_replicas=1,
        )
        info = await connection.jetstream.add_consumer(self.backing.stream, config)
        self._name, self._received = info.name, 0
        if not info.num_pending and not self.endless:
            self._frames.put_nowait(None)
        return Consumer(self.backing.stream, info.name)


def stored_at(reply: str) -> datetime:
    """Return when a message was stored, to the microsecond, as a stream's own answers have it. nats-py's is rounded.

    Args:
        reply: the ack subject, in either form of
            https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-15.md
    """
    tokens = reply.split(".")
    nanoseconds = int(tokens[7] if len(tokens) == 9 else tokens[9])
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=nanoseconds // 1000)
