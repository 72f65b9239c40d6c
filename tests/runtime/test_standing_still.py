"""A process that stood still for longer than `ack_wait`, and consumers that somebody else made."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from typing import Any

import pytest
from nats.js import JetStreamContext
from nats.js.api import AckPolicy

from src.infrastructure.errors import ConfigurationError
from src.infrastructure.message import Message
from src.infrastructure.subscription import Subscription
from tests.runtime.conftest import RunWorker, until

DURABLE = "billing-order_created"


def subscription(function: Any, **options: Any) -> Subscription:
    return Subscription("order_created", "orders.order.created", function, **options)


async def test_what_waited_while_the_process_stood_still_is_not_handled_twice(
    run_worker: RunWorker, jetstream: JetStreamContext
) -> None:
    starts: Counter[int] = Counter()

    async def handle(number: int) -> None:
        starts[number] += 1
        await asyncio.sleep(0.01)  # earlier acks leave
        if starts[4] == 1 and number == 4:
            time.sleep(2.5)  # noqa: ASYNC251 - nothing runs meanwhile, as if the process were stopped

    await jetstream.add_stream(name="ORDERS", subjects=["orders.>"])
    for number in range(50):
        await jetstream.publish("orders.order.created", str(number).encode())
    async with run_worker(subscription(handle, ack_wait=1)):
        await until(lambda: len(starts) == 50, "every message is handled", limit=15)
        await asyncio.sleep(1.5)  # longer than ack_wait: what is delivered again would have come

    assert [number for number, times in starts.items() if times > 1 and number != 4] == []


async def test_a_stricter_consumer_gets_smaller_requests(run_worker: RunWorker, jetstream: JetStreamContext) -> None:
    handled: list[int] = []

    async def handle(number: int) -> None:
        handled.append(number)

    await jetstream.add_stream(name="ORDERS", subjects=["orders.>"])
    config = {
        "durable_name": DURABLE,
        "ack_policy": "explicit",
        "filter_subject": "orders.order.created",
        "max_batch": 10,
        "max_expires": 5_000_000_000,
    }
    request = json.dumps({"stream_name": "ORDERS", "config": config}).encode()
    await jetstream._nc.request(f"$JS.API.CONSUMER.DURABLE.CREATE.ORDERS.{DURABLE}", request)
    async with run_worker(subscription(handle)):
        for number in range(30):
            await jetstream.publish("orders.order.created", str(number).encode())
        await until(lambda: handled == list(range(30)), "every message is handled", limit=15)


async def test_keep_alive_follows_the_consumers_own_ack_wait(
    run_worker: RunWorker, jetstream: JetStreamContext
) -> None:
    deliveries: list[int] = []

    async def handle(event: Any, message: Message) -> None:
        deliveries.append(message.deliveries)
        await asyncio.sleep(3)

    await jetstream.add_stream(name="ORDERS", subjects=["orders.>"])
    await jetstream.add_stream(name="DLQ", subjects=["dlq.>", "replay.>"])
    await jetstream.add_consumer("ORDERS", durable_name=DURABLE, ack_policy=AckPolicy.EXPLICIT, ack_wait=1)
    await jetstream.publish("orders.order.created", b"1")
    async with run_worker(subscription(handle), STREAM_MODE="off"):
        await until(lambda: bool(deliveries), "the message is handled")
        await asyncio.sleep(3.5)

    assert deliveries == [1]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"ack_policy": AckPolicy.NONE}, "ack_policy is none"),
        ({"ack_policy": AckPolicy.EXPLICIT, "max_deliver": 3}, "max_deliver is 3"),
        ({"ack_policy": AckPolicy.EXPLICIT, "headers_only": True}, "headers_only is True"),
    ],
)
async def test_a_consumer_that_would_lose_messages_stops_the_start(
    run_worker: RunWorker, jetstream: JetStreamContext, options: dict[str, Any], named: str
) -> None:
    async def handle(event: Any) -> None: ...

    await jetstream.add_stream(name="ORDERS", subjects=["orders.>"])
    await jetstream.add_stream(name="DLQ", subjects=["dlq.>", "replay.>"])
    await jetstream.add_consumer("ORDERS", durable_name=DURABLE, filter_subject="orders.order.created", **options)

    with pytest.raises(ConfigurationError, match=named):
        async with run_worker(subscription(handle), STREAM_MODE="off"):
            pass


async def test_a_consumer_that_delivers_headers_only_is_mended_in_create_mode(
    run_worker: RunWorker, jetstream: JetStreamContext
) -> None:
    handled: list[Any] = []

    async def handle(event: dict[str, int]) -> None:
        handled.append(event)

    await jetstream.add_stream(name="ORDERS", subjects=["orders.>"])
    await jetstream.add_consumer(
        "ORDERS", durable_name=DURABLE, ack_policy=AckPolicy.EXPLICIT, filter_subject="orders.order.created",
        headers_only=True,
    )  # fmt: skip
    async with run_worker(subscription(handle)):
        await jetstream.publish("orders.order.created", b'{"n":1}')
        await until(lambda: handled == [{"n": 1}], "the payload arrives")
