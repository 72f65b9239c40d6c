"""When an acknowledgement reaches the server, and whom a message wakes."""

from __future__ import annotations

import asyncio
from typing import Any

from nats.js import JetStreamContext

from natsgen.harness.waiting import wait_until
from src.infrastructure.message import Message
from src.infrastructure.subscription import Subscription

SUBJECT = "integration.order.created"
STREAM, DURABLE = "INTEGRATION", "billing-tested"


async def test_a_synchronous_acknowledgement_is_at_the_server_before_the_next_message_starts(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    floors: list[int] = []

    async def handle(event: dict[str, Any], message: Message) -> None:
        info = await jetstream.consumer_info(STREAM, DURABLE)
        assert info.ack_floor is not None
        floors.append(info.ack_floor.stream_seq - (message.sequence - 1))

    tested = Subscription(handler="tested", subject=SUBJECT, function=handle, ack_sync=True)
    async with run_worker(tested):
        await asyncio.gather(*(jetstream.publish(SUBJECT, b"{}") for _ in range(200)))
        await asyncio.to_thread(wait_until, lambda: len(floors) == 200, limit=60, what="all to be handled")

    assert set(floors) == {0}


async def test_one_message_wakes_one_of_many_handlers_that_wait(run_worker: Any, jetstream: JetStreamContext) -> None:
    handled: list[int] = []

    async def handle(event: dict[str, int]) -> None:
        handled.append(event["number"])

    tested = Subscription(handler="tested", subject=SUBJECT, function=handle, concurrency=200)
    async with run_worker(tested) as worker:
        buffer = worker.runners[0].buffer
        await asyncio.to_thread(wait_until, lambda: len(buffer._waiting) == 200, limit=30, what="all to wait")
        woken = 0
        put = buffer.put

        def counting(message: Message) -> None:
            nonlocal woken
            waiting = len(buffer._waiting)
            put(message)
            woken += waiting - len(buffer._waiting)

        buffer.put = counting  # type: ignore[method-assign]
        for number in range(50):
            await jetstream.publish(SUBJECT, b'{"number": %d}' % number)
        await asyncio.to_thread(wait_until, lambda: len(handled) == 50, limit=30, what="all to be handled")
        woken_by_messages = woken

    assert woken_by_messages == 50
    assert sorted(handled) == list(range(50))
