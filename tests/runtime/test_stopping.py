"""A handler that the worker cuts short when it stops."""

from __future__ import annotations

import asyncio
from typing import Any

from nats.js import JetStreamContext

from natsgen.harness.waiting import wait_until
from src.infrastructure.subscription import Subscription

SUBJECT = "integration.order.created"


async def test_an_error_made_of_the_cancellation_is_no_failed_attempt(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    """Some libraries raise their own error when what they wait for is cancelled."""
    started = asyncio.Event()

    async def handle(event: dict[str, Any]) -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise ConnectionError("closed") from None

    tested = Subscription(handler="tested", subject=SUBJECT, function=handle, max_attempts=1)
    async with run_worker(tested, GRACEFUL_SHUTDOWN_TIMEOUT=0.3) as worker:
        await jetstream.publish(SUBJECT, b"{}")
        await started.wait()

    stats = worker.runners[0].stats
    assert (stats.released, stats.dead_letters.total()) == (1, 0)


async def test_a_handler_that_finishes_although_it_was_cancelled_is_done(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    started = asyncio.Event()

    async def handle(event: dict[str, Any]) -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)

    tested = Subscription(handler="tested", subject=SUBJECT, function=handle)
    async with run_worker(tested, GRACEFUL_SHUTDOWN_TIMEOUT=0.3) as worker:
        await jetstream.publish(SUBJECT, b"{}")
        await started.wait()

    info = await jetstream.consumer_info("INTEGRATION", "billing-tested")
    assert worker.runners[0].stats.handled == 1
    assert info.num_ack_pending == 0


async def test_a_worker_task_that_is_cancelled_by_something_else_stops_the_worker(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    """Rather than leaving a handler that nobody runs any more."""

    async def handle(event: dict[str, Any]) -> None: ...

    tested = Subscription(handler="tested", subject=SUBJECT, function=handle)
    stopped = False
    try:
        async with run_worker(tested) as worker:
            worker.runners[0]._workers[0].cancel()
            consuming = worker._consuming
            await asyncio.to_thread(wait_until, lambda: consuming.done(), limit=5, what="the worker's end")
    except RuntimeError as error:
        stopped = "tested-0 ended" in str(error)

    assert stopped
