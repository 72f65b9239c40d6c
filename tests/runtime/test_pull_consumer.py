"""Continuous pulling against a real server, also through what a server does on a bad day."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import nats
import pytest
from nats.aio.msg import Msg
from nats.js.api import AckPolicy

from natsgen.harness.nats_server import NatsServer
from natsgen.harness.waiting import wait_until
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.nats_internals import flush
from src.infrastructure.provisioning import Consumer
from src.infrastructure.pull_consumer import PullConsumer
from tests.harness_tools.freezing import freeze, resume

CONSUMER = Consumer("EVENTS", "reader", None)


class Reader:
    """Receives and acknowledges, or holds back what it received."""

    def __init__(self, client: NatsClient, prefetch: int = 100, max_waiting: int = 512) -> None:
        self.client = client
        self.max_waiting = max_waiting
        self.received: list[Msg] = []
        self.held: list[Msg] = []
        self.holding = False
        self.provisioned = 0
        self.consumer = PullConsumer(client, self.provision, self.receive, prefetch)

    def start(self, count: int) -> None:
        """Start messages that were held back."""
        for _ in range(count):
            self.consumer.started(len(self.held.pop().data))

    async def provision(self) -> Consumer:
        self.provisioned += 1
        await self.client.jetstream.add_consumer(
            CONSUMER.stream,
            durable_name=CONSUMER.durable,
            ack_policy=AckPolicy.EXPLICIT,
            max_waiting=self.max_waiting,
        )
        return CONSUMER

    def receive(self, message: Msg, source: PullConsumer) -> None:
        self.received.append(message)
        if self.holding:
            self.held.append(message)
        else:
            source.started(len(message.data))
            asyncio.get_running_loop().create_task(message.ack())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter times than in production, so that what takes half a minute there is seen here."""
    monkeypatch.setattr(PullConsumer, "EXPIRES", 1.0)
    monkeypatch.setattr(PullConsumer, "HEARTBEAT", 0.3)


@asynccontextmanager
async def running(reader: Reader) -> AsyncIterator[Reader]:
    await reader.client.jetstream.add_stream(name=CONSUMER.stream, subjects=["events.>"])
    task = asyncio.create_task(reader.consumer.run())
    await until(lambda: reader.consumer.consumer is not None)
    yield reader
    task.cancel()
    await asyncio.wait([task])


async def until(condition: Callable[[], bool], limit: float = 15.0) -> None:
    await asyncio.to_thread(wait_until, condition, limit=limit, what="the condition")


async def publish(client: NatsClient, count: int) -> None:
    for number in range(count):
        await client.publish("events.one", str(number).encode(), {})


async def test_it_goes_on_through_requests_that_expire(client: NatsClient) -> None:
    async with running(Reader(client)) as reader:
        await asyncio.sleep(2.5)  # two and a half lives of a request, with nothing to deliver
        await publish(client, 250)
        await until(lambda: len(reader.received) == 250)

        assert reader.consumer.trouble == ""


async def test_a_reader_that_starts_nothing_is_not_sent_more_than_the_prefetch(client: NatsClient) -> None:
    reader = Reader(client, prefetch=40)
    reader.holding = True
    async with running(reader):
        await publish(client, 200)
        await until(lambda: len(reader.received) == 40)
        await asyncio.sleep(2.5)  # requests would expire and be made again, if there were any
        assert len(reader.received) == 40

        reader.start(30)
        await until(lambda: len(reader.received) == 70)


async def test_a_deleted_consumer_is_provisioned_again(client: NatsClient) -> None:
    async with running(Reader(client)) as reader:
        await publish(client, 10)
        await until(lambda: len(reader.received) == 10)

        await client.jetstream.delete_consumer(CONSUMER.stream, CONSUMER.durable)
        await until(lambda: reader.provisioned == 2)
        await publish(client, 10)

        # the first ten come again, unless the server hands on what the old consumer had acknowledged
        await until(lambda: {message.metadata.sequence.stream for message in reader.received} >= set(range(1, 21)))
        assert reader.consumer.trouble == ""


async def test_a_consumer_deleted_while_the_reader_was_away_is_provisioned_again(
    client: NatsClient, nats_server: NatsServer
) -> None:
    reader = Reader(client, prefetch=10)
    reader.holding = True  # no request is waiting when the consumer goes, so no status tells of it
    async with running(reader):
        await publish(client, 10)
        await until(lambda: len(reader.received) == 10)
        await client.jetstream.delete_consumer(CONSUMER.stream, CONSUMER.durable)

        reader.start(10)

        await until(lambda: len(reader.received) == 20)
        assert reader.provisioned == 2


async def test_it_asks_afresh_after_a_reconnect(client: NatsClient, nats_server: NatsServer) -> None:
    async with running(Reader(client)) as reader:
        await asyncio.to_thread(nats_server.kill)
        await until(lambda: reader.consumer.trouble == "not connected to NATS")
        await asyncio.to_thread(nats_server.start)
        await until(lambda: client.connected)
        await publish(client, 100)

        await until(lambda: len({message.data for message in reader.received}) == 100)


async def test_it_says_so_and_asks_afresh_when_heartbeats_stop(client: NatsClient, nats_server: NatsServer) -> None:
    async with running(Reader(client)) as reader:
        freeze(nats_server)
        await until(lambda: reader.consumer.trouble == "no heartbeat from the consumer")
        resume(nats_server)
        await publish(client, 10)

        await until(lambda: len(reader.received) == 10)
        await until(lambda: reader.consumer.trouble == "")


async def test_a_reader_that_gets_no_place_at_the_consumer_says_so_and_gets_one_later(client: NatsClient) -> None:
    reader = Reader(client, max_waiting=1)
    async with running(reader):
        other = Reader(client, max_waiting=1)
        task = asyncio.create_task(other.consumer.run())
        # nats-server answers "409 Exceeded MaxWaiting" only to requests without heartbeats; these just get none
        await until(lambda: bool(reader.consumer.trouble) != bool(other.consumer.trouble))
        task.cancel()
        await asyncio.wait([task])
        await other.consumer.stop()

        await publish(client, 10)
        await until(lambda: len(reader.received) + len(other.received) == 10)
        await until(lambda: reader.consumer.trouble == "")


async def test_nothing_is_lost_between_stop_and_what_the_server_had_sent(client: NatsClient) -> None:
    reader = Reader(client, prefetch=500)
    reader.holding = True
    await client.jetstream.add_stream(name=CONSUMER.stream, subjects=["events.>"])
    task = asyncio.create_task(reader.consumer.run())
    traffic = asyncio.create_task(publish(client, 400))
    await until(lambda: len(reader.received) > 50)

    task.cancel()
    await asyncio.wait([task])
    await reader.consumer.stop()
    seen = len(reader.received)
    await traffic

    state = await client.jetstream.consumer_info(CONSUMER.stream, CONSUMER.durable)
    assert len(reader.received) == seen
    # one may be in the server's own queue as it takes the interest away; it comes again after `ack_wait`
    assert state.num_ack_pending - seen in (0, 1)


class Quitter(Reader):
    """Stops at its twentieth message."""

    stopping: asyncio.Task[None] | None = None

    def receive(self, message: Msg, source: PullConsumer) -> None:
        super().receive(message, source)
        if len(self.received) == 20:
            self.stopping = asyncio.create_task(self.consumer.stop())


async def test_what_the_server_sends_before_it_knows_of_the_stop_is_received(client: NatsClient) -> None:
    """Nobody else would be given it before `ack_wait` is over. Many times: it is a matter of microseconds."""
    await client.jetstream.add_stream(name=CONSUMER.stream, subjects=["events.>"])
    await asyncio.gather(*(publish(client, 100) for _ in range(10)))
    for _ in range(15):
        quitter, other = Quitter(client, prefetch=1_000), Reader(client, prefetch=1_000)
        quitter.holding = other.holding = True
        await asyncio.wait_for(quitter.consumer.run(), timeout=10)
        assert quitter.stopping is not None
        await quitter.stopping
        pulling = asyncio.create_task(other.consumer.run())
        await until(partial(all_received, 1_000, quitter, other))

        await other.consumer.stop()
        await pulling
        await client.jetstream.delete_consumer(CONSUMER.stream, CONSUMER.durable)


def all_received(count: int, *readers: Reader) -> bool:
    return len({message.metadata.sequence.stream for reader in readers for message in reader.received}) == count


@pytest.mark.parametrize(
    "unreadable",
    [b"PUB events.\xff 2\r\n{}\r\n", b"HPUB events.one 8 10\r\nNATS/1.0{}\r\n"],
    ids=["subject", "headers"],
)
async def test_a_message_that_nats_py_cannot_read_is_received_like_the_others(
    client: NatsClient, nats_server: NatsServer, unreadable: bytes
) -> None:
    """It would end the read loop, and what was delivered behind it would never get through."""
    publisher = await nats.connect(nats_server.url)
    async with running(Reader(client)) as reader:
        await publisher._send_command(unreadable)  # nats-py itself publishes no such thing
        await flush(publisher)
        await publish(client, 10)

        await until(lambda: len(reader.received) == 11)
        assert client.connections == 1
    await publisher.close()
