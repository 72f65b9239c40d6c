"""Find the messages with one correlation ID in the streams, and publish them again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from uuid import uuid4

import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, RetentionPolicy, StreamInfo

from natsgen.dlq import reading
from natsgen.dlq.connection import Connection
from natsgen.dlq.letters import STREAM as DEAD_LETTERS
from natsgen.errors import NatsError

BATCH = 500
IDLE_SECONDS = 60.0  # after which the server removes the consumer of a command that was killed
_OWN = ("nats-", "dlq-", "correlation-id", "causation-id", "traceparent", "tracestate", "task-id")


@dataclass(slots=True)
class Stored:
    """A message in a stream, without its payload.

    Attributes:
        id: the publisher's, else `<stream>:<sequence>`, as in the worker.
        correlation: the id of the chain that it belongs to.
        causation: the id of the message whose handler published it; empty for the first of a chain.
    """

    stream: str
    sequence: int
    subject: str
    id: str
    correlation: str
    causation: str


def identified(stream: str, sequence: int, subject: str, headers: Mapping[str, str]) -> Stored:
    """Return a message's identity, from its place in the stream and its headers."""
    own = headers.get("Nats-Msg-Id") or headers.get("Task-Id") or f"{stream}:{sequence}"
    return Stored(stream, sequence, subject, own, headers.get("Correlation-Id") or own, headers.get("Causation-Id", ""))


async def replay(connection: Connection, correlation: str) -> tuple[str, list[Stored]]:
    """Publish the first messages of a chain again, as a new chain.

    Returns:
        The new correlation id, and what was published.

    Raises:
        NatsError: no stream has a message with that correlation ID, or none acknowledged.
    """
    chain = [one async for one in _stored(connection.client.jetstream()) if correlation in (one.correlation, one.id)]
    ids = {one.id for one in chain}
    first = [one for one in chain if one.causation not in ids and one.stream != DEAD_LETTERS]
    if not first:
        raise NatsError(f"no stream at {connection.server} has a message with the correlation id {correlation}")
    fresh = str(uuid4())
    for one in first:
        message = await reading.message(connection, one.stream, one.sequence)
        kept = tuple((name, value) for name, value in message.headers if not name.lower().startswith(_OWN))
        identity = str(uuid4())
        own = (("Nats-Msg-Id", identity), ("Correlation-Id", fresh))
        task = (("Task-Id", identity),) if one.subject.startswith("queue.") else ()
        await connection.publish(one.subject, message.payload, (*kept, *own, *task))
    return fresh, first


async def _stored(jetstream: JetStreamContext) -> AsyncIterator[Stored]:
    for stream in await jetstream.streams_info():
        if stream.state.messages and is_readable(stream):
            async for message in read(jetstream, stream, stream.state.first_seq, headers_only=True):
                found = message.metadata.sequence.stream
                yield identified(stream.config.name or "", found, message.subject, message.headers or {})
                if found >= stream.state.last_seq:
                    break


def is_readable(stream: StreamInfo) -> bool:
    """Return whether another consumer affects nobody, and the stream stores messages of services."""
    name = stream.config.name or ""
    return stream.config.retention == RetentionPolicy.LIMITS and not name.startswith(("KV_", "OBJ_"))


async def read(
    jetstream: JetStreamContext, stream: StreamInfo, start: int, *, headers_only: bool = False
) -> AsyncIterator[Msg]:
    """Yield a stream's messages from a sequence on, and wait for more while the stream exists."""
    name = stream.config.name or ""
    config = ConsumerConfig(
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=max(1, start),
        ack_policy=AckPolicy.NONE,
        headers_only=headers_only or None,
        inactive_threshold=IDLE_SECONDS,
        mem_storage=True,
        num_replicas=1,
        description="natsgen reads",
    )
    subscription = await jetstream.pull_subscribe("", stream=name, config=config)
    try:
        while True:
            try:
                messages = await subscription.fetch(BATCH, timeout=5)
            except (nats.errors.TimeoutError, TimeoutError):
                await jetstream.stream_info(name)  # raises if the stream was deleted
                continue
            for message in messages:
                yield message
    finally:
        await subscription.unsubscribe()
