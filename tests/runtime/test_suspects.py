"""Handlers that kill their worker or never return: only their own message suffers for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, DeliverPolicy
from prometheus_client import REGISTRY

from src.infrastructure import handler_runner
from src.infrastructure.attempts import ALONE, BESIDE, Attempts
from src.infrastructure.message import Message
from src.infrastructure.subscription import Backoff, Subscription
from tests.runtime.conftest import Counts, until

SUBJECT = "integration.order.created"


async def test_a_message_that_ran_beside_a_killer_runs_alone_before_it_is_given_up(
    run_worker: Any, jetstream: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside: list[int] = []
    running: set[int] = set()

    async def handle(event: int) -> None:
        running.add(event)
        await asyncio.sleep(0.02)
        if event == 7:
            beside.append(len(running) - 1)
        running.discard(event)

    noted = Attempts._noted

    async def last_attempt_beside(self: Attempts, key: str, most: int) -> tuple[int, str]:
        return (2, BESIDE) if await noted(self, key, most) == (1, "") else await noted(self, key, most)

    monkeypatch.setattr(Attempts, "_noted", last_attempt_beside)
    tested = Subscription(handler="tested", subject=SUBJECT, function=handle, concurrency=10, max_attempts=2)
    async with run_worker(tested) as worker:
        counts = Counts(worker.runners[0])
        await jetstream.publish(SUBJECT, b"7")
        await until(lambda: counts.handled == 1, "the first delivery")
        beside.clear()
        for number in range(100, 200):
            await jetstream.publish(SUBJECT, str(number).encode())
        message = delivered_again(worker)
        worker._attempts.running += 1  # as the runner does
        await worker.runners[0].delivery.deliver(message)
        worker._attempts.running -= 1
        await until(lambda: counts.handled == 102, "all of them")

    assert beside == [0]
    assert message.alone
    assert not counts.dead_letters


def delivered_again(worker: Any) -> Message:
    """Return message 7 as the server would deliver it for the third time."""
    raw = Msg(_client=None, subject=SUBJECT, reply="$JS.ACK.INTEGRATION.x.3.1.9.1700000000000000000.0", data=b"7")  # type: ignore[arg-type]
    return Message(raw, "tested", worker.nats)


async def test_a_message_that_killed_its_worker_alone_is_a_dead_letter(
    run_worker: Any, jetstream: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def handle(event: int) -> None: ...

    async def last_attempt_alone(self: Attempts, key: str, most: int) -> tuple[int, str]:
        return 2, ALONE

    monkeypatch.setattr(Attempts, "_noted", last_attempt_alone)
    tested = Subscription(handler="tested", subject=SUBJECT, function=handle, max_attempts=2)
    async with run_worker(tested) as worker:
        await jetstream.publish(SUBJECT, b"7")
        await worker.runners[0].delivery.deliver(delivered_again(worker))
        await until(lambda: Counts(worker.runners[0]).dead_letters.total(), "the dead letter")

    assert Counts(worker.runners[0]).dead_letters == {"crashed": 1}


async def test_a_message_whose_ack_is_lost_again_and_again_is_no_dead_letter(
    run_worker: Any, jetstream: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    handled: list[int] = []

    async def handle(event: int, message: Message) -> None:
        handled.append(message.attempt)

    tested = Subscription(handler="tested", subject=SUBJECT, function=handle, ack_wait=1.0, max_attempts=2)
    monkeypatch.setattr(Message, "settle", lambda message, _: setattr(message, "settled", True))
    async with run_worker(tested) as worker:
        await jetstream.publish(SUBJECT, b"1")
        await until(lambda: len(handled) == 6, "six deliveries", limit=60)

        assert not Counts(worker.runners[0]).dead_letters


async def test_a_handler_ends_after_its_timeout_and_is_tried_again(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    async def handle(event: int, message: Message) -> None:
        if message.attempt == 1:
            await asyncio.Event().wait()

    soon = Backoff(initial=0.01, maximum=0.01, jitter=0)
    tested = Subscription(handler="tested", subject=SUBJECT, function=handle, timeout=0.1, backoff=soon)
    async with run_worker(tested) as worker:
        await jetstream.publish(SUBJECT, b"1")
        await until(lambda: Counts(worker.runners[0]).handled == 1, "the second attempt")

        assert worker.runners[0].delivery.last_error == "TimeoutError: the handler ran longer than its timeout of 0.1 s"


async def test_what_waits_behind_a_handler_that_never_returns_is_given_back(
    run_worker: Any, jetstream: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = asyncio.Event()

    async def handle(event: int) -> None:
        if event == 0:
            await released.wait()

    monkeypatch.setattr(handler_runner, "STUCK_AFTER", 1.0)
    tested = Subscription(handler="tested", subject=SUBJECT, function=handle, ack_wait=1.5, prefetch=20)
    async with run_worker(tested) as worker:
        for number in range(30):
            await jetstream.publish(SUBJECT, str(number).encode())
        await until(lambda: "no handler has returned" in worker.readiness().reason, "the trouble", limit=30)
        assert (REGISTRY.get_sample_value("worker_oldest_handler_seconds", {"handler": "tested"}) or 0) > 1
        other = await jetstream.pull_subscribe_bind("billing-tested", "INTEGRATION")
        taken: list[int] = []
        while len(taken) < 29:
            for one in await other.fetch(29 - len(taken), timeout=10):
                taken.append(int(one.data))
                await one.ack()

        assert sorted(taken) == list(range(1, 30)), "another replica has all of them but the one that hangs"
        released.set()
        await jetstream.publish(SUBJECT, b"99")
        await until(lambda: Counts(worker.runners[0]).handled == 2, "the handler's return, and the next message")
        assert worker.readiness().ready


async def test_a_consumer_of_new_messages_that_is_deleted_soon_loses_none(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    """A consumer that starts at new messages would skip its backlog when it is created again."""
    gate, handled = asyncio.Event(), set()

    async def handle(event: int) -> None:
        await gate.wait()
        handled.add(event)

    tested = Subscription(handler="tested", subject=SUBJECT, function=handle, deliver="new", prefetch=10)
    config = ConsumerConfig(durable_name="billing-tested", deliver_policy=DeliverPolicy.NEW, filter_subject=SUBJECT)
    await jetstream.add_stream(name="INTEGRATION", subjects=["integration.>"])
    await jetstream.publish(SUBJECT, b"0")
    await jetstream.add_consumer("INTEGRATION", config)
    for number in range(1, 101):
        await jetstream.publish(SUBJECT, str(number).encode())
    async with run_worker(tested):
        await jetstream.delete_consumer("INTEGRATION", "billing-tested")
        gate.set()
        await until(lambda: len(handled) == 100, "all that the consumer had promised", limit=60)
