"""Streams and their consumers, made, looked at and emptied by hand: `await streams.create("TASKS", ["tasks.>"])`.

A worker's own streams and durables come by themselves; this is for what a service does beside its handlers.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    ConsumerInfo,
    DeliverPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    StreamInfo,
)

from src.infrastructure.connection.jetstream_api import ask
from src.infrastructure.message import Message
from src.infrastructure.nats_client import NatsClient
from src.requests.nats import Nats
from src.requests.nats import nats as service_nats
from src.toolkit.backing import checked_name
from src.toolkit.connection import connected
from src.toolkit.errors import translated
from src.toolkit.fetching import fetched


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream as it was when it was looked at.

    Attributes:
        name: of the stream.
        subjects: that it listens to.
        messages: that it holds.
        bytes: that they take.
        first_sequence: of the oldest message.
        last_sequence: of the newest message that it ever had.
        consumers: how many it has.
        retention: `limits`, `interest` or `workqueue`.
        storage: `file` or `memory`.
        replicas: of it.
        max_messages: limit; None where there is none.
        max_bytes: limit; None where there is none.
        max_age: limit in seconds; None where there is none.
        created: when it was made, in UTC.
    """

    name: str
    subjects: tuple[str, ...]
    messages: int
    bytes: int
    first_sequence: int
    last_sequence: int
    consumers: int
    retention: str
    storage: str
    replicas: int
    max_messages: int | None
    max_bytes: int | None
    max_age: float | None
    created: datetime | None


@dataclass(frozen=True, slots=True)
class StreamConsumer:
    """A consumer as it was when it was looked at.

    Attributes:
        stream: that it is of.
        name: of the consumer.
        durable: whether it stays while nobody uses it.
        filters: subjects that it is for; all of the stream's where it is empty.
        pending: messages that it has not given to anybody yet.
        unacknowledged: messages that somebody has been given and not acknowledged.
        redelivered: of these, those that were given more than once.
        waiting: requests that wait for messages.
        delivered: sequence in the stream up to which messages were given out.
        acknowledged: sequence in the stream up to which all were acknowledged.
        ack_wait: seconds after which a message that is not acknowledged is given out again.
        max_deliver: times that a message is given out; None where there is no limit.
    """

    stream: str
    name: str
    durable: bool
    filters: tuple[str, ...]
    pending: int
    unacknowledged: int
    redelivered: int
    waiting: int
    delivered: int
    acknowledged: int
    ack_wait: float | None
    max_deliver: int | None


class Streams:
    """Streams and consumers by name. A call by hand is carried out whatever `STREAM_MODE` says.

    All raise `Missing`, `Refused`, `Unavailable` or `InvalidName` of `src.toolkit.errors`.

    Args:
        nats: what it goes over: the service's own connection.
    """

    def __init__(self, nats: Nats = service_nats) -> None:
        self._nats = nats

    async def create(
        self,
        name: str,
        subjects: Sequence[str],
        *,
        retention: Literal["limits", "interest", "workqueue"] = "limits",
        storage: Literal["file", "memory"] = "file",
        replicas: int | None = None,
        max_messages: int | None = None,
        max_bytes: int | None = None,
        max_age: float | None = None,
        max_messages_per_subject: int | None = None,
        duplicate_window: float = 120,
        description: str = "",
        further: Mapping[str, Any] | None = None,
    ) -> Stream:
        """Makes a stream; one that is there with just this configuration stays.

        Args:
            name: of the stream.
            subjects: that it listens to.
            retention: until when messages are kept: the limits, or while somebody is interested, or until acknowledged.
            storage: of its messages.
            replicas: of it; without it `STREAM_REPLICAS`.
            max_messages: more let the oldest go.
            max_bytes: more let the oldest go.
            max_age: seconds after which a message goes.
            max_messages_per_subject: more let the oldest of the subject go.
            duplicate_window: seconds in which a second message of one `Nats-Msg-Id` is dropped.
            description: for people.
            further: fields by name of nats-py's `StreamConfig`.
        """
        checked_name("stream", name)
        connection = await self._connection(f"stream {name}")
        config = StreamConfig(
            name=name,
            subjects=list(subjects),
            retention=RetentionPolicy(retention),
            storage=StorageType(storage),
            num_replicas=replicas or connection.settings.STREAM_REPLICAS,
            max_msgs=max_messages or -1,
            max_bytes=max_bytes or -1,
            max_age=max_age or 0,
            max_msgs_per_subject=max_messages_per_subject or -1,
            duplicate_window=min(duplicate_window, max_age or duplicate_window),
            description=description or None,
            **(further or {}),
        )
        with translated(f"stream {name}"):
            return _stream(await connection.jetstream.add_stream(config))

    async def list(self) -> AsyncGenerator[Stream, None]:
        """All streams, one by one; those of buckets and stores as well (`KV_...`, `OBJ_...`)."""
        connection = await self._connection("streams")
        async for page in _pages(connection, "STREAM.LIST", "streams"):
            for found in page:
                yield _stream(StreamInfo.from_response(found))

    async def info(self, name: str) -> Stream:
        """One stream."""
        connection = await self._connection(f"stream {checked_name('stream', name)}")
        with translated(f"stream {name}"):
            return _stream(await connection.jetstream.stream_info(name))

    async def purge(
        self, name: str, *, subject: str | None = None, keep: int | None = None, before: int | None = None
    ) -> None:
        """Deletes messages of a stream, all unless it says which.

        Args:
            name: of the stream.
            subject: only of this subject; `*` and a last `>` are wildcards.
            keep: all but so many of the newest.
            before: only those before this sequence; not with `keep`.
        """
        connection = await self._connection(f"stream {checked_name('stream', name)}")
        with translated(f"stream {name}"):
            await connection.jetstream.purge_stream(name, seq=before, subject=subject, keep=keep)

    async def delete(self, name: str) -> None:
        """Deletes a stream with its messages and consumers."""
        connection = await self._connection(f"stream {checked_name('stream', name)}")
        with translated(f"stream {name}"):
            await connection.jetstream.delete_stream(name)

    async def create_consumer(
        self,
        stream: str,
        name: str,
        *,
        filter: str | Sequence[str] | None = None,
        deliver: Literal["all", "new", "last", "last_per_subject"] = "all",
        ack_wait: float = 30,
        max_deliver: int | None = None,
        max_ack_pending: int = 1000,
        further: Mapping[str, Any] | None = None,
    ) -> StreamConsumer:
        """Makes a durable consumer to pull from; one that is there is changed where the server allows it.

        Args:
            stream: it is of.
            name: of the consumer.
            filter: subjects that it is for; all of the stream's without one.
            deliver: where it starts.
            ack_wait: seconds after which a message that is not acknowledged is given out again.
            max_deliver: times that a message is given out; without a limit unless given.
            max_ack_pending: messages that may be given out and not acknowledged.
            further: fields by name of nats-py's `ConsumerConfig`.
        """
        checked_name("stream", stream)
        checked_name("consumer", name)
        filters = [filter] if isinstance(filter, str) else [*(filter or ())]
        config = ConsumerConfig(
            name=name,
            durable_name=name,
            ack_policy=AckPolicy.EXPLICIT,
            deliver_policy=DeliverPolicy(deliver),
            ack_wait=ack_wait,
            max_deliver=max_deliver or -1,
            max_ack_pending=max_ack_pending,
            filter_subject=filters[0] if len(filters) == 1 else None,
            filter_subjects=filters if len(filters) > 1 else None,
            **(further or {}),
        )
        connection = await self._connection(f"consumer {name}")
        with translated(f"consumer {name} of stream {stream}"):
            return _consumer(await connection.jetstream.add_consumer(stream, config))

    async def consumers(self, stream: str) -> AsyncGenerator[StreamConsumer, None]:
        """All consumers of a stream, one by one."""
        connection = await self._connection(f"stream {checked_name('stream', stream)}")
        async for page in _pages(connection, f"CONSUMER.LIST.{stream}", "consumers"):
            for found in page:
                yield _consumer(ConsumerInfo.from_response(found))

    async def consumer(self, stream: str, name: str) -> StreamConsumer:
        """One consumer."""
        checked_name("stream", stream)
        connection = await self._connection(f"consumer {checked_name('consumer', name)}")
        with translated(f"consumer {name} of stream {stream}"):
            return _consumer(await connection.jetstream.consumer_info(stream, name))

    async def delete_consumer(self, stream: str, name: str) -> None:
        """Deletes a consumer; the stream and its messages stay."""
        checked_name("stream", stream)
        connection = await self._connection(f"consumer {checked_name('consumer', name)}")
        with translated(f"consumer {name} of stream {stream}"):
            await connection.jetstream.delete_consumer(stream, name)

    async def pull(self, stream: str, durable: str, batch: int = 1, timeout: float = 5.0) -> Sequence[Message]:
        """Messages to settle by hand, with `await message.ack()`, `nak(delay)`, `term(reason)` or `ack_sync()`.

        What is not settled comes again after the consumer's `ack_wait`.

        Args:
            stream: to pull from.
            durable: its consumer.
            batch: the most messages to return.
            timeout: seconds to wait for the first; what is there is returned at once.

        Returns:
            The messages; empty when none came in time.
        """
        checked_name("stream", stream)
        what = f"consumer {checked_name('consumer', durable)} of stream {stream}"
        if batch < 1 or not timeout > 0:
            raise ValueError(f"{what}: batch is {batch} and timeout {timeout}; they take 1 or more, and more than 0")
        deadline = time.monotonic() + timeout
        connection = await self._connection(what)
        with translated(what):
            found = await fetched(connection, stream, durable, batch)
            if not found and (left := deadline - time.monotonic()) > 0:
                found = await fetched(connection, stream, durable, 1, wait=left)
                if found and batch > 1:
                    found += await fetched(connection, stream, durable, batch - 1)
        return [Message(raw, durable, connection) for raw in found]

    async def _connection(self, what: str) -> NatsClient:
        return await connected(self._nats, what)


streams = Streams()


async def _pages(connection: NatsClient, subject: str, of: str) -> AsyncGenerator[Sequence[dict[str, Any]], None]:
    """What a call of the JetStream API lists; nats-py asks for the first page alone."""
    offset = 0
    while True:
        with translated(subject):
            answer = await ask(connection.client, subject, {"offset": offset})
        page = answer.get(of) or []
        yield page
        offset += len(page)
        if not page or offset >= answer.get("total", 0):
            return


def _stream(info: StreamInfo) -> Stream:
    config, state = info.config, info.state
    return Stream(
        name=config.name or "",
        subjects=tuple(config.subjects or ()),
        messages=state.messages,
        bytes=state.bytes,
        first_sequence=state.first_seq,
        last_sequence=state.last_seq,
        consumers=state.consumer_count,
        retention=str(getattr(config.retention, "value", config.retention)),
        storage=str(getattr(config.storage, "value", config.storage)),
        replicas=config.num_replicas or 1,
        max_messages=_limit(config.max_msgs),
        max_bytes=_limit(config.max_bytes),
        max_age=config.max_age or None,
        created=info.created,
    )


def _consumer(info: ConsumerInfo) -> StreamConsumer:
    config = info.config
    single = [config.filter_subject] if config.filter_subject else []
    return StreamConsumer(
        stream=info.stream_name,
        name=info.name,
        durable=bool(config.durable_name),
        filters=tuple(config.filter_subjects or single),
        pending=info.num_pending or 0,
        unacknowledged=info.num_ack_pending or 0,
        redelivered=info.num_redelivered or 0,
        waiting=info.num_waiting or 0,
        delivered=info.delivered.stream_seq if info.delivered else 0,
        acknowledged=info.ack_floor.stream_seq if info.ack_floor else 0,
        ack_wait=config.ack_wait,
        max_deliver=_limit(config.max_deliver),
    )


def _limit(value: int | None) -> int | None:
    return value if value is not None and value > 0 else None
