"""Batches and declared publishers, on a real server."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import pytest
from nats.js import JetStreamContext
from nats.js.api import PubAck
from nats.js.errors import APIError
from pydantic import BaseModel, ValidationError

from natsgen.harness.waiting import wait_until
from src.actions.action import Action
from src.domain.events import Event
from src.infrastructure.errors import NoStream, TooLarge
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.publishing import publish
from src.infrastructure.subscription import Backoff, Message, Subscription
from src.requests.nats import nats as service_nats
from src.toolkit.batches import Outgoing, publish_many
from src.toolkit.publishers import publisher

SUBJECT = "integration.order.created"
SOON = Backoff(initial=0.02, maximum=0.05)
TOO_LARGE = bytes(2_000_000)


class OrderCreated(BaseModel):
    id: int


def subscription(function: Any) -> Subscription:
    return Subscription(handler="tested", subject=SUBJECT, function=function, backoff=SOON)


async def idle(event: dict[str, Any]) -> None:
    """A handler, so that there is a worker and a stream INTEGRATION."""


async def greet() -> str:
    return "Hello"


async def test_batch_publishing(run_worker: Any, jetstream: JetStreamContext) -> None:
    await jetstream.add_stream(name="BATCH", subjects=["batch.>"])
    async with run_worker(subscription(idle)):
        results = await publish_many(
            [
                ("batch.1", b"Message 1"),
                ("batch.2", {"n": 2}),
                ("batch.3", OrderCreated(id=3)),
                Outgoing("batch.4", b"Message 4", headers={"priority": "high"}, message_id="four"),
            ]
        )

    assert [result.ok for result in results] == [True] * 4
    assert [result.ack.seq for result in results if result.ack] == [1, 2, 3, 4]
    stored = [await jetstream.get_msg("BATCH", number) for number in range(1, 5)]
    assert [message.data for message in stored] == [b"Message 1", b'{"n":2}', b'{"id":3}', b"Message 4"]
    headers = stored[3].headers or {}
    assert (headers["priority"], headers["Nats-Msg-Id"]) == ("high", "four")


async def test_batch_of_1000_messages(run_worker: Any, jetstream: JetStreamContext) -> None:
    await jetstream.add_stream(name="BATCH", subjects=["batch.>"])
    async with run_worker(subscription(idle)):
        began = time.monotonic()
        results = await publish_many([(f"batch.{number}", b"x" * 100) for number in range(1000)])
        took = time.monotonic() - began

    assert all(result.ok for result in results)
    assert [result.ack.seq for result in results if result.ack] == list(range(1, 1001))
    assert took < 10


async def test_batch_tells_of_each_message_what_came_of_it(
    run_worker: Any, jetstream: JetStreamContext, monkeypatch: Any
) -> None:
    monkeypatch.setattr("src.infrastructure.publishing.RETRY_FOR", 0.1)
    await jetstream.add_stream(name="BATCH", subjects=["batch.>"])
    async with run_worker(subscription(idle)):
        results = await publish_many(
            [
                ("batch.1", b"x"),
                ("batch.2", TOO_LARGE),
                ("nowhere.3", b"x"),
                ("batch.4", {"no JSON": object()}),
                ("batch.5", b"x"),
            ]
        )

    assert [(result.subject, result.ok) for result in results] == [
        ("batch.1", True),
        ("batch.2", False),
        ("nowhere.3", False),
        ("batch.4", False),
        ("batch.5", True),
    ]
    assert isinstance(results[1].error, TooLarge)
    assert "no stream stores nowhere.3" in str(results[2].error)
    assert "Unable to serialize" in str(results[3].error)


async def test_batch_is_bounded_in_flight(run_worker: Any, jetstream: JetStreamContext) -> None:
    await jetstream.add_stream(name="BATCH", subjects=["batch.>"])
    ahead, most = 0, 0

    def counted(subject: str, data: bytes, **options: Any) -> Any:
        nonlocal ahead, most
        ahead += 1
        most = max(most, ahead)

        async def confirmed() -> PubAck:
            nonlocal ahead
            try:
                return await publication
            finally:
                ahead -= 1

        publication = publish(subject, data, **options)
        return asyncio.ensure_future(confirmed())

    async with run_worker(subscription(idle)):
        assert all(
            result.ok for result in await publish_many((("batch.n", b"x") for _ in range(3000)), publish=counted)
        )
        assert most <= 512
        most = 0
        large = [("batch.large", bytes(1_000_000))] * 20
        assert all(result.ok for result in await publish_many(large, publish=counted))
        assert most <= 8


async def test_batch_in_a_handler_counts_as_what_it_published(run_worker: Any, jetstream: JetStreamContext) -> None:
    """Not acknowledged before its confirmations; and the second attempt publishes nothing twice."""
    await jetstream.add_stream(name="BATCH", subjects=["batch.>"])
    unconfirmed_at_the_end: list[int] = []

    async def handle(event: dict[str, Any], message: Message) -> None:
        batch = asyncio.create_task(publish_many([(f"batch.{number}", {"n": number}) for number in range(600)]))
        await asyncio.sleep(0)  # it has begun
        if message.attempt == 1:
            await batch
            raise RuntimeError("after the batch")
        unconfirmed_at_the_end.append(len(message.unconfirmed or ()))
        keep.append(batch)

    keep: list[Any] = []
    async with run_worker(subscription(handle)) as worker:
        await jetstream.publish(SUBJECT, b"{}", headers={"Correlation-Id": "chain"})
        metrics = worker.runners[0].metrics
        await asyncio.to_thread(wait_until, lambda: metrics.values()["handled"], limit=60, what="the second attempt")

    assert unconfirmed_at_the_end[0] > 0  # so the acknowledgement had something to wait for
    assert keep[0].done()
    assert all(result.ack.duplicate for result in keep[0].result())
    assert (await jetstream.stream_info("BATCH")).state.messages == 600
    assert ((await jetstream.get_msg("BATCH", 1)).headers or {})["Correlation-Id"] == "chain"


async def test_batch_without_a_worker_says_so() -> None:
    with pytest.raises(RuntimeError, match="no worker runs"):
        await publish_many([("a", b"")])


async def test_large_messages_of_1_mb(run_worker: Any, jetstream: JetStreamContext) -> None:
    """Up to the server's limit, and above it an error that says where to put what is larger."""
    await jetstream.add_stream(name="LARGE", subjects=["large"])
    async with run_worker(subscription(idle)):
        ack = await publish("large", bytes(1_000_000))
        with pytest.raises(TooLarge, match=r"max_payload\); store large data elsewhere, such as in an object store"):
            await publish("large", bytes(1024 * 1024))
        await service_nats.publish("nobody.listens", bytes(1024 * 1024), flush=True)  # without headers it fits exactly
        with pytest.raises(TooLarge, match=r"takes 1048576 \(max_payload\)"):
            await service_nats.publish("nobody.listens", bytes(1024 * 1024 + 1))

    assert (await jetstream.get_msg("LARGE", ack.seq)).data == bytes(1_000_000)


async def test_publisher_declared(run_worker: Any, jetstream: JetStreamContext) -> None:
    orders = publisher("shop.order.created", stream="SHOP", model=OrderCreated)
    async with run_worker(subscription(idle)):
        first = await orders.publish(OrderCreated(id=1), headers={"priority": "high"})
        second = await orders.publish({"id": 2})
        with pytest.raises(ValidationError):
            await orders.publish({"id": "none"})

    assert (first.stream, first.seq, second.seq) == ("SHOP", 1, 2)  # the stream was made
    stored = await jetstream.get_msg("SHOP", 1)
    assert (stored.data, (stored.headers or {})["priority"]) == (b'{"id":1}', "high")
    assert (await jetstream.get_msg("SHOP", 2)).data == b'{"id":2}'


async def test_publisher_of_events(run_worker: Any, jetstream: JetStreamContext) -> None:
    await jetstream.add_stream(name="SHOP", subjects=["shop.>"])
    orders = publisher("shop.order.created", model=Event[OrderCreated])
    event = Event[OrderCreated].new("shop.order.created", "7", OrderCreated(id=7))
    async with run_worker(subscription(idle)):
        await orders.publish(event)
        again = await orders.publish(event)

    assert again.duplicate


async def test_publisher_to_another_stream_than_it_says_is_refused(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    await jetstream.add_stream(name="REAL", subjects=["shop.>"])
    await jetstream.add_stream(name="SHOP", subjects=["else.>"])
    async with run_worker(subscription(idle)):
        with pytest.raises(APIError, match="expected stream does not match"):
            await publisher("shop.order.created", stream="SHOP").publish({})


async def test_publisher_makes_no_stream_where_that_is_not_allowed(run_worker: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("src.infrastructure.publishing.RETRY_FOR", 0.1)
    async with run_worker(Action("greet", greet), STREAM_MODE="off"):
        with pytest.raises(NoStream, match=r"no stream stores shop\.order\.created"):
            await publisher("shop.order.created", stream="SHOP").publish({})


async def test_publisher_that_is_not_confirmed_in_time_says_so(
    run_worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: Any) -> None:
        await asyncio.Event().wait()

    async with run_worker(subscription(idle)):
        monkeypatch.setattr(NatsClient, "publish", never)
        with pytest.raises(TimeoutError, match=r"no stream confirmed it within 0\.05 s"):
            await publisher("nowhere.at.all", timeout=0.05).publish({})


async def test_publisher_in_a_handler_is_waited_for(run_worker: Any, jetstream: JetStreamContext) -> None:
    orders = publisher("integration.order.followed", timeout=0.001)

    async def handle(event: dict[str, Any]) -> None:
        with contextlib.suppress(TimeoutError):  # and yet the message waits for what is on its way
            await orders.publish({"n": 1})

    async with run_worker(subscription(handle)) as worker:
        await jetstream.publish(SUBJECT, b"{}")
        await asyncio.to_thread(
            wait_until, lambda: worker.runners[0].metrics.values()["handled"], limit=30, what="the message"
        )
        found = await jetstream.get_last_msg("INTEGRATION", "integration.order.followed")

    assert found.data == b'{"n":1}'


@pytest.mark.parametrize("subject", ["", "a..b", "a.*", "a.>", "a b", ".a"])
def test_publisher_on_a_subject_that_cannot_be_is_refused(subject: str) -> None:
    with pytest.raises(ValueError, match="no wildcards"):
        publisher(subject)
