"""A retry that the server is to send back later is never lost on the way: where it might be, the server holds it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from nats.js import JetStreamContext
from nats.js.api import StreamConfig

from natsgen.harness.waiting import wait_until
from src.infrastructure.errors import Retry
from src.infrastructure.subscription import Subscription
from src.infrastructure.worker import Worker

SUBJECT = "integration.order.created"
SUBJECTS = ["dlq.>", "replay.>"]
DURABLE = "billing-tested"


class FailsOnce:
    """A handler that asks for a second attempt after a long delay."""

    def __init__(self) -> None:
        self.starts = 0

    async def __call__(self, _: dict[str, Any]) -> None:
        self.starts += 1
        if self.starts == 1:
            raise Retry("not yet", after=0.6)

    def subscription(self) -> Subscription:
        async def handle(event: dict[str, Any]) -> None:
            await self(event)

        return Subscription(handler="tested", subject=SUBJECT, function=handle, schedule_above=0.5)


async def until_handled(worker: Worker) -> None:
    stats = worker.runners[0].stats
    await asyncio.to_thread(wait_until, lambda: stats.handled, limit=5, what="the second attempt")


@pytest.mark.parametrize(
    "limits",
    [{"max_msgs": 3}, {"max_bytes": 2_000}, {"max_msgs_per_subject": 1}, {"max_age": 0.5, "duplicate_window": 0.5}],
    ids=str,
)
async def test_a_stream_that_may_drop_it_gets_no_retry(
    run_worker: Any, jetstream: JetStreamContext, limits: dict[str, float]
) -> None:
    await jetstream.add_stream(StreamConfig(name="DLQ", subjects=SUBJECTS, allow_msg_schedules=True, **limits))
    handler = FailsOnce()

    async with run_worker(handler.subscription()) as worker:
        await jetstream.publish(SUBJECT, b"{}")
        await asyncio.to_thread(wait_until, lambda: worker.runners[0].stats.retried, limit=5, what="the failure")
        for _ in range(5):
            await jetstream.publish("dlq.other.handler", b"x" * 500)
        await until_handled(worker)

    assert worker.runners[0].stats.scheduled == 0


async def test_a_stream_that_keeps_letters_for_long_takes_retries(run_worker: Any, jetstream: JetStreamContext) -> None:
    config = StreamConfig(name="DLQ", subjects=SUBJECTS, allow_msg_schedules=True, max_age=7 * 24 * 3600)
    await jetstream.add_stream(config)

    async with run_worker(FailsOnce().subscription()) as worker:
        await jetstream.publish(SUBJECT, b"{}")
        await until_handled(worker)

    assert worker.runners[0].stats.scheduled == 1


async def test_without_a_consumer_that_gets_it_back_nothing_is_scheduled(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    """With STREAM_MODE=off the worker makes none."""
    await jetstream.add_stream(StreamConfig(name="DLQ", subjects=SUBJECTS, allow_msg_schedules=True))
    await jetstream.add_stream(StreamConfig(name="INTEGRATION", subjects=["integration.>"]))
    await jetstream.pull_subscribe(SUBJECT, DURABLE, "INTEGRATION")

    async with run_worker(FailsOnce().subscription(), STREAM_MODE="off") as worker:
        await jetstream.publish(SUBJECT, b"{}")
        await until_handled(worker)

    assert worker.runners[0].stats.scheduled == 0
