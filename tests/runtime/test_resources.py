"""The owner's place: resources, middleware, and the subjects that a handler says to publish to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from nats.js import JetStreamContext

from src.config import Settings
from src.infrastructure import publishing
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.message import Message
from src.infrastructure.resources import CallNext, SharedResources, shared
from src.infrastructure.subscription import Subscription, subscriber
from src.infrastructure.worker import Worker
from tests.runtime.conftest import RunWorker, until


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Leaves nothing of a test behind: the resources belong to the process."""
    yield
    shared.__dict__.update(SharedResources().__dict__)
    publishing.declared.clear()


class Pool:
    """A resource that notes what happens."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.failures = 0
        self.problem = ""
        self.kind: type[BaseException] = ConnectionError

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Pool]:
        if self.failures:
            self.failures -= 1
            raise self.kind("the database is away")
        self.log.append("opened")
        yield self
        self.log.append("closed")

    async def ready(self) -> None:
        if self.problem:
            raise self.kind(self.problem)


def subscription(function: Any, **options: Any) -> Subscription:
    return Subscription("order_created", "orders.order.created", function, **options)


@asynccontextmanager
async def worker_with(settings: Settings, pool: Pool, *parts: Subscription) -> AsyncIterator[Worker]:
    """Runs a worker whose resources are the pool."""
    worker = Worker(settings)
    worker._open_resources = pool.open
    for part in parts:
        worker.subscribe(part)
    worker.working = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        await worker.stop()


async def test_resources_are_open_before_the_first_message_and_closed_after_the_last_handler(
    service_settings: Settings, jetstream: JetStreamContext
) -> None:
    pool = Pool()
    running = asyncio.Event()

    async def handle(event: Any, resources: Pool) -> None:
        resources.log.append("begun")
        running.set()
        await asyncio.sleep(0.3)
        resources.log.append("ended")

    await jetstream.add_stream(name="ORDERS", subjects=["orders.>"])
    await jetstream.publish("orders.order.created", b"1")
    async with worker_with(service_settings, pool, subscription(handle)):
        await asyncio.wait_for(running.wait(), 10)

    assert pool.log == ["opened", "begun", "ended", "closed"]


async def test_resources_stay_open_until_every_handler_has_ended_when_one_part_fails(
    service_settings: Settings, jetstream: JetStreamContext
) -> None:
    seen: list[Pool] = []
    pool = Pool()

    async def handle_order_created(event: Any, resources: Pool) -> None:
        seen.append(resources)
        await asyncio.sleep(0.02)

    async def handle_other(event: Any) -> None: ...

    await jetstream.add_stream(name="ORDERS", subjects=["orders.>"])
    for number in range(200):
        await jetstream.publish("orders.order.created", str(number).encode())
    other = Subscription("other", "orders.other", handle_other)
    async with worker_with(service_settings, pool, subscription(handle_order_created), other) as worker:
        await until(lambda: len(seen) > 3, "messages are handled")
        worker.runners[1]._tasks[1].cancel()
        assert worker.working is not None
        await asyncio.wait([worker.working], timeout=5)
        await asyncio.sleep(0.2)  # the other handler goes on until the worker is stopped

    assert set(seen) == {pool}
    assert pool.log == ["opened", "closed"]


@pytest.mark.parametrize("kind", [ConnectionError, asyncio.CancelledError])  # the latter of something that it awaits
async def test_resources_that_cannot_be_opened_are_tried_again_and_the_worker_says_why_it_is_not_ready(
    service_settings: Settings, kind: type[BaseException]
) -> None:
    pool = Pool()
    pool.failures, pool.kind = 1, kind

    async def handle(event: Any) -> None: ...

    async with worker_with(service_settings, pool, subscription(handle)) as worker:
        await until(lambda: "the database is away" in worker.readiness().reason, "the condition", limit=30)
        assert not worker.readiness().ready
        await until(lambda: worker.readiness().ready, "the condition", limit=30)


async def test_the_first_messages_are_handled_at_once_although_the_resources_took_longer_than_ack_wait(
    service_settings: Settings, jetstream: JetStreamContext
) -> None:
    pool = Pool()
    pool.failures = 1  # which takes a second
    deliveries: list[int] = []

    async def handle(event: Any, message: Message) -> None:
        deliveries.append(message.deliveries)

    await jetstream.add_stream(name="ORDERS", subjects=["orders.>"])
    await jetstream.publish("orders.order.created", b"1")
    async with worker_with(service_settings, pool, subscription(handle, ack_wait=1)) as worker:
        await until(lambda: bool(deliveries), "the message is handled")
        assert worker.nats.connections == 1

    assert deliveries == [1]


async def test_a_resource_that_is_not_ready_makes_the_worker_unready_with_its_reason(
    service_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("src.infrastructure.resources.CHECK_EVERY", 0.05)
    pool = Pool()

    async def handle(event: Any) -> None: ...

    async with worker_with(service_settings, pool, subscription(handle)) as worker:
        await until(lambda: worker.readiness().ready, "the condition", limit=30)
        for pool.kind in (ConnectionError, asyncio.CancelledError):  # the latter of something that it awaits
            pool.problem = "disk full"
            await until(lambda: "disk full" in worker.readiness().reason, "the condition", limit=30)
            pool.problem = ""
            await until(lambda: worker.readiness().ready, "the condition", limit=30)


async def test_middleware_is_around_each_message_in_order_and_sees_what_the_handler_raises(
    run_worker: RunWorker, jetstream: JetStreamContext
) -> None:
    log: list[str] = []

    async def outer(message: Message, call_next: CallNext) -> None:
        log.append(f"outer {message.subject}")
        await call_next()
        log.append("outer done")

    async def transaction(message: Message, call_next: CallNext) -> None:
        log.append("begin")
        try:
            await call_next()
        except ValueError:
            log.append("rollback")
            raise
        log.append("commit")

    async def handle(event: int, message: Message) -> None:
        log.append(f"handled {event}")
        if message.attempt == 1:
            raise ValueError("once")

    shared.middleware = [outer, transaction]
    await jetstream.add_stream(name="ORDERS", subjects=["orders.>"])
    await jetstream.publish("orders.order.created", b"7")
    async with run_worker(subscription(handle)):
        await until(lambda: "outer done" in log, "the condition", limit=30)

    first = ["outer orders.order.created", "begin", "handled 7", "rollback"]
    assert log == [*first, "outer orders.order.created", "begin", "handled 7", "commit", "outer done"]


async def test_streams_of_declared_subjects_are_created_at_start(
    run_worker: RunWorker, jetstream: JetStreamContext
) -> None:
    @subscriber("orders.order.created", publishes=["billing.invoice.created"])
    async def handle_order_created(event: Any) -> None: ...

    async with run_worker(subscription(handle_order_created)):
        assert (await jetstream.stream_info("BILLING")).config.subjects == ["billing.>"]


async def test_verify_stops_the_start_if_a_declared_subject_has_no_stream(
    run_worker: RunWorker, jetstream: JetStreamContext
) -> None:
    publishing.declared.add("billing.invoice.created")
    with pytest.raises(ConfigurationError, match=r"no stream BILLING for billing"):
        async with run_worker(STREAM_MODE="verify"):
            pass


async def test_publishing_where_no_stream_listens_is_a_dead_letter_at_once_that_names_subject_and_remedy(
    run_worker: RunWorker, jetstream: JetStreamContext
) -> None:
    attempts: list[int] = []

    async def handle(event: Any, message: Message) -> None:
        attempts.append(message.attempt)
        await message.publish("billing.invoice.created", b"{}")

    await jetstream.add_stream(name="ORDERS", subjects=["orders.>"])
    async with run_worker(subscription(handle)) as worker:
        await jetstream.publish("orders.order.created", b"1")
        await until(lambda: bool(worker.runners[0].metrics.values()["dead_letters"]), "the condition", limit=30)
        letter = await jetstream.get_last_msg("DLQ", "dlq.billing.order_created")

    assert attempts == [1]
    assert letter.headers is not None
    assert "no stream stores billing.invoice.created" in letter.headers["Dlq-Error"]
    assert "publishes=" in letter.headers["Dlq-Error"]
