"""Nothing that a handler publishes is lost or piles up, also where no message is the current one."""

from __future__ import annotations

import asyncio
from typing import Any

from nats.js import JetStreamContext

from natsgen.harness.waiting import wait_until
from src.infrastructure.message import Message
from src.infrastructure.publisher import publish
from src.infrastructure.subscription import Backoff, Subscription

SUBJECT = "integration.order.created"
RESULT = "integration.order.handled"
TOO_LARGE = bytes(2_000_000)  # fails at once
SOON = Backoff(initial=0.02, maximum=0.05)


def subscription(function: Any) -> Subscription:
    return Subscription(handler="tested", subject=SUBJECT, function=function, backoff=SOON)


async def test_a_batch_is_not_handled_before_what_it_published_is_confirmed(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    runs: list[int] = []

    async def handle(events: list[dict[str, Any]]) -> None:
        runs.append(len(events))
        publish(RESULT, TOO_LARGE if len(runs) == 1 else b"{}")  # and not awaited

    async with run_worker(subscription(handle)) as worker:
        stats = worker.runners[0].stats
        await jetstream.publish(SUBJECT, b"{}")
        await asyncio.to_thread(wait_until, lambda: stats.handled, limit=5, what="the second attempt")

    assert (len(runs), stats.retried) == (2, 1)


async def test_what_a_task_of_the_handler_publishes_meanwhile_is_waited_for_too(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    tasks: set[asyncio.Task[None]] = set()
    attempts: list[int] = []

    async def handle(event: dict[str, Any], message: Message) -> None:
        attempts.append(message.attempt)
        first = message.publish(RESULT, {"n": 1})

        async def follow() -> None:
            await first
            publish(RESULT, TOO_LARGE if message.attempt == 1 else b"{}")

        tasks.add(asyncio.create_task(follow()))
        await asyncio.sleep(0)

    async with run_worker(subscription(handle)) as worker:
        await jetstream.publish(SUBJECT, b"{}")
        await asyncio.to_thread(wait_until, lambda: worker.runners[0].stats.handled, limit=5, what="the message")

    assert attempts == [1, 2]


async def test_what_is_confirmed_is_not_kept(run_worker: Any, jetstream: JetStreamContext) -> None:
    """A task that outlives its handler may publish for as long as the process lives."""
    messages: list[Message] = []

    async def handle(event: dict[str, Any], message: Message) -> None:
        messages.append(message)

    async with run_worker(subscription(handle)) as worker:
        await jetstream.add_stream(name="ELSEWHERE", subjects=["elsewhere.>"])
        await jetstream.publish(SUBJECT, b"{}")
        await asyncio.to_thread(wait_until, lambda: worker.runners[0].stats.handled, limit=5, what="the message")
        for number in range(10):
            await messages[0].publish("elsewhere.to", {"n": number})

    assert messages[0]._published is not None
    assert not messages[0]._published._open
