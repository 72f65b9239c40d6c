"""What all contestants meet: one NATS server, the same streams with the same messages, and one way to count."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import nats
import nats.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import StorageType, StreamConfig
from nats.js.errors import NotFoundError

from natsgen.harness.nats_server import NatsServer

QUICK = bool(os.environ.get("BENCH_QUICK"))
"""Set by `make bench QUICK=1`: few messages and one round, enough to see that all of it works."""

SAMPLE_SECONDS = 0.05
WARM_UP = 1_000
"""Messages acknowledged before the time counts."""

CONFIRMED_EVERY = 1_000
"""Messages of a load; more at once might be more than the server buffers."""

Entered = TypeVar("Entered")


@dataclass(frozen=True)
class Load:
    """Messages that wait in a stream of their own.

    Attributes:
        name: of the stream.
        size: of a payload, in bytes.
        count: how many messages.
        subjects: that they are spread over in turn.
    """

    name: str
    size: int
    count: int
    subjects: tuple[str, ...]


def load(name: str, size: int, count: int, handlers: int = 1) -> Load:
    """Return a load for `handlers` handlers, a subject each; `QUICK` leaves a tenth of the messages."""
    count = max(count // 10, min(count, 4 * WARM_UP)) if QUICK else count
    return Load(name, size, count, tuple(f"{name.lower()}.item.event{number}" for number in range(handlers)))


def payload(subject: str, number: int, size: int = 0, text: str = "") -> bytes:
    """Return an event in the envelope that generated workers take, filled up to `size` bytes."""
    data = {"number": number, "text": text}
    event = {
        "id": f"{number:08}",
        "type": subject,
        "timestamp": "2024-01-15T10:00:00Z",
        "aggregateId": "42",
        "data": data,
    }
    data["text"] = text + "x" * (size - len(_encoded(event)))
    return _encoded(event)


def _encoded(event: Mapping[str, object]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()


class Arena:
    """The server, and what happens on it.

    Attributes:
        server: the server.
        client, jetstream: the benchmark's own connection.
    """

    def __init__(self, server: NatsServer, client: Client) -> None:
        self.server = server
        self.client = client
        self.jetstream: JetStreamContext = client.jetstream(timeout=30)

    async def fill(self, wanted: Load) -> None:
        """Make the stream and publish its messages; kept in memory, so that no disk is measured.

        Raises:
            RuntimeError: the stream has not all of them.
        """
        await self.jetstream.add_stream(
            StreamConfig(name=wanted.name, subjects=[f"{wanted.name.lower()}.>"], storage=StorageType.MEMORY)
        )
        for number in range(wanted.count):
            subject = wanted.subjects[number % len(wanted.subjects)]
            event = payload(subject, number, wanted.size)
            if number % CONFIRMED_EVERY and number < wanted.count - 1:
                await self.client.publish(subject, event)
            else:  # a confirmation counts for those before it too
                await self.jetstream.publish(subject, event, timeout=30)
        if (stored := (await self.jetstream.stream_info(wanted.name)).state.messages) != wanted.count:
            raise RuntimeError(f"{wanted.name} has {stored} messages instead of {wanted.count}")

    async def forget_consumers(self, stream: str) -> None:
        """Have the next contestant begin at the stream's first message, and know none of the messages."""
        await self.forget_stream("KV_inbox_bench")
        for consumer in await self.jetstream.consumers_info(stream):
            await self.jetstream.delete_consumer(stream, consumer.name)

    async def forget_stream(self, name: str) -> None:
        """Delete a stream if it is there."""
        with suppress(NotFoundError):
            await self.jetstream.delete_stream(name)

    async def acknowledged(self, stream: str) -> int:
        """Return the messages that all consumers of a stream have acknowledged, once for each."""
        try:
            consumers = await self.jetstream.consumers_info(stream)
        except NotFoundError:
            return 0
        return sum(
            consumer.delivered.consumer_seq - (consumer.num_ack_pending or 0)
            for consumer in consumers
            if consumer.delivered
        )

    async def rate(self, stream: str, count: int, *, longest: float, patience: float = 60.0) -> float:
        """Return the messages acknowledged a second, from the first `WARM_UP` until `count` or for `longest` seconds.

        Of a contestant that takes longer than that for `WARM_UP`, they are what counts: it stands still, such as a slow
        consumer that the server disconnects until its messages are delivered again.

        Raises:
            TimeoutError: nothing was acknowledged within `patience` seconds.
        """
        begun: tuple[float, int] | None = None
        idle = time.perf_counter()
        deadline = idle + patience
        while True:
            done, now = await self.acknowledged(stream), time.perf_counter()
            if begun is None:
                idle = idle if done else now
                if done >= WARM_UP:
                    begun = (now, done)
                elif now > deadline:
                    raise TimeoutError(f"only {done} messages of {stream} acknowledged in {patience:g} s")
                elif now - idle >= longest:
                    return done / (now - idle)
            elif done >= count or now - begun[0] >= longest:
                return (done - begun[1]) / (now - begun[0])
            await asyncio.sleep(SAMPLE_SECONDS)

    async def until(self, stream: str, count: int, limit: float = 120.0) -> None:
        """Return when so many messages have been acknowledged.

        Raises:
            TimeoutError: they were not, within `limit` seconds.
        """
        async with asyncio.timeout(limit):
            while await self.acknowledged(stream) < count:  # noqa: ASYNC110 (the server is asked)
                await asyncio.sleep(SAMPLE_SECONDS)


@asynccontextmanager
async def arena(folder: Path) -> AsyncIterator[Arena]:
    """Provide an arena whose server keeps its files in `folder`."""
    with NatsServer(folder, configuration="jetstream { max_memory_store: 4GB }") as server:
        client = await nats.connect(server.url)
        try:
            yield Arena(server, client)
        finally:
            await client.close()


@asynccontextmanager
async def running(contestant: AbstractContextManager[Entered]) -> AsyncIterator[Entered]:
    """Provide a contestant while it runs; starting and stopping it takes a while, in which the benchmark goes on."""
    entered = await asyncio.to_thread(contestant.__enter__)
    try:
        yield entered
    finally:
        await asyncio.to_thread(contestant.__exit__, None, None, None)


def rotated(things: Sequence[str], round_number: int) -> list[str]:
    """Return the same things, beginning with another in every round: nobody is always first."""
    start = round_number % len(things)
    return [*things[start:], *things[:start]]
