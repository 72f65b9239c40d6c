"""A process that stood still for longer than `ack_wait`."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

from nats.js import JetStreamContext

from src.infrastructure.message import Message
from src.infrastructure.subscription import Subscription
from tests.runtime.conftest import RunWorker, until


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
        await until(lambda: len(starts) == 50, "every message is handled", limit=60)
        await asyncio.sleep(1.5)  # longer than ack_wait: what is delivered again would have come

    assert [number for number, times in starts.items() if times > 1 and number != 4] == []


async def test_what_comes_after_an_outage_longer_than_ack_wait_is_not_dropped(
    run_worker: RunWorker, jetstream: JetStreamContext
) -> None:
    deliveries: list[int] = []

    async def handle(event: Any, message: Message) -> None:
        deliveries.append(message.deliveries)

    await jetstream.add_stream(name="ORDERS", subjects=["orders.>"])
    async with run_worker(subscription(handle, ack_wait=30)) as worker:
        worker.runners[0]._alive_at -= 31  # as if there had been no connection since
        worker.nats.reconnect("the outage is over")
        await until(lambda: worker.nats.connections == 2 and worker.readiness().ready, "it pulls again")
        for _ in range(3):
            await jetstream.publish("orders.order.created", b"1")
        await until(lambda: len(deliveries) == 3, "every message is handled", limit=10)

    assert deliveries == [1, 1, 1]
