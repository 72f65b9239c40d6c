"""Every message of a subject of a stream, in order, across reconnects.

nats-py's ordered consumer belongs to one client and keeps unread messages without a limit. This one pulls from an
ephemeral consumer, and creates it again after the last message received whenever something is unexpected: another
client, a gap, silence, or a stream that was deleted and recreated.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy, RawStreamMsg, StreamInfo

from src.infrastructure.errors import describe
from src.infrastructure.nats_client import NatsClient
from src.toolkit.backing import BackingStream
from src.toolkit.errors import Unavailable
from src.toolkit.pulling import NANOSECONDS, ends_request, pulling
from src.utils.logging import logger

BATCH = 256  # messages in one request
MAX_BYTES = 8 * 1024 * 1024  # in one request; unread messages take about as much memory
EXPIRES = 30.0  # seconds that a request waits on the server
HEARTBEAT = 5.0  # seconds between heartbeats of a waiting request
CHECK_INTERVAL = 1.0  # seconds between two checks of the connection while nothing arrives
INACTIVE = 60.0  # seconds without a request after which the server deletes the consumer
PAUSE = (0.1, 2.0)  # seconds before the next attempt: the first, and the maximum
GIVE_UP_AFTER = 10.0  # seconds without progress; an endless one never gives up


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
    """

    backing: BackingStream
    subject: str
    latest: bool = True
    only_new: bool = False
    headers_only: bool = False
    endless: bool = False
    _sequence: int = field(default=0, init=False)  # of the last message
    _created: datetime | None = field(default=None, init=False)  # a recreated stream counts from 1 again

    async def messages(self) -> AsyncGenerator[RawStreamMsg, None]:
        """Yield the messages.

        Raises:
            Missing: the stream does not exist, and `STREAM_MODE` does not allow to create it.
            Unavailable: no progress for `GIVE_UP_AFTER` seconds, unless it is endless.
        """
        pause, progress = PAUSE[0], time.monotonic()
        while True:
            before = self._sequence
            try:
                async with aclosing(self._from_one_consumer()) as messages:
                    async for message in messages:
                        yield message
                return
            except (Unavailable, nats.errors.Error, TimeoutError, OSError) as error:
                reason = error
            if self._sequence != before:
                pause, progress = PAUSE[0], time.monotonic()
            elif not self.endless and time.monotonic() > progress + GIVE_UP_AFTER:
                raise Unavailable(f"{self.backing.what}: {describe(reason)}") from reason
            logger.debug("ordered consumer created again", what=self.backing.what, reason=describe(reason))
            await asyncio.sleep(pause)
            pause = min(2 * pause, PAUSE[1])

    async def _from_one_consumer(self) -> AsyncGenerator[RawStreamMsg, None]:
        info, stream = await self.backing.info(), self.backing.stream
        async with self.backing.opened() as connection:
            client, consumer = connection.client, await self._create(connection, info)
        if not consumer.num_pending and not self.endless:
            return
        try:
            async with pulling(connection, stream, consumer.name) as (request, frames):
                received = requested = 0
                while True:
                    if not requested:
                        await request(self._request(client))
                        requested = BATCH
                    frame = await _next(frames, connection, client)
                    if not frame.reply:
                        if ends_request(frame):
                            if not self.endless and requested == BATCH:  # the rest was deleted meanwhile
                                return
                            requested = 0
                        continue
                    metadata = frame.metadata
                    received, requested = received + 1, requested - 1
                    if metadata.sequence.consumer != received:
                        raise Unavailable("a message is missing")
                    if metadata.sequence.stream > self._sequence:
                        self._sequence, time_stored = metadata.sequence.stream, stored_at(frame.reply)
                        subject, data, headers = frame.subject, frame.data, frame.headers
                        yield RawStreamMsg(subject, self._sequence, data, headers=headers, time=time_stored)
                    if not metadata.num_pending and not self.endless:
                        return
        finally:
            with suppress(nats.errors.Error):  # the server deletes an inactive consumer by itself
                await connection.client.publish(f"$JS.API.CONSUMER.DELETE.{stream}.{consumer.name}")

    async def _create(self, connection: NatsClient, stream: StreamInfo) -> ConsumerInfo:
        if stream.created != self._created:
            self._created, self._sequence = stream.created, 0
        if self.only_new:
            self._sequence, self.only_new = stream.state.last_seq, False
        start, resumes = DeliverPolicy.LAST_PER_SUBJECT if self.latest else DeliverPolicy.ALL, False
        if self._sequence and (self.endless or not self.latest):
            start, resumes = DeliverPolicy.BY_START_SEQUENCE, True
        config = ConsumerConfig(
            name=connection.client.new_inbox().rpartition(".")[2],
            deliver_policy=start,
            opt_start_seq=self._sequence + 1 if resumes else None,
            ack_policy=AckPolicy.NONE,
            filter_subject=self.subject,
            headers_only=self.headers_only,
            inactive_threshold=INACTIVE,
            mem_storage=True,
            num_replicas=1,
        )
        return await connection.jetstream.add_consumer(self.backing.stream, config)

    def _request(self, client: Client) -> dict[str, Any]:
        request: dict[str, Any] = {"batch": BATCH}
        if not self.headers_only:
            request["max_bytes"] = max(MAX_BYTES, 2 * client.max_payload)
        if not self.endless:
            return request | {"no_wait": True}
        return request | {"expires": int(EXPIRES * NANOSECONDS), "idle_heartbeat": int(HEARTBEAT * NANOSECONDS)}


async def _next(frames: asyncio.Queue[Msg], connection: NatsClient, client: Client) -> Msg:
    """Return the next frame.

    Raises:
        Unavailable: none will arrive: the client was replaced, or heartbeats are missing.
    """
    deadline = time.monotonic() + 2 * HEARTBEAT
    while time.monotonic() < deadline:
        try:
            async with asyncio.timeout(CHECK_INTERVAL):
                return await frames.get()
        except TimeoutError:
            if connection.client is not client:
                raise Unavailable("the connection was replaced") from None
    raise Unavailable("no heartbeat")


def stored_at(reply: str) -> datetime:
    """Return when a message was stored, to the microsecond, as a stream's own answers have it. nats-py's is rounded.

    Args:
        reply: the ack subject, in either form of
            https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-15.md
    """
    tokens = reply.split(".")
    nanoseconds = int(tokens[7] if len(tokens) == 9 else tokens[9])
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=nanoseconds // 1000)
