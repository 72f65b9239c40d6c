"""Consumers that somebody edits while the worker runs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from nats.js import JetStreamContext

from src.infrastructure import handler_runner
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.message import Message
from src.infrastructure.subscription import Backoff
from tests.runtime.conftest import RunWorker, until
from tests.runtime.test_existing_consumers import DURABLE, FITTING, ask, prepare, subscription

FAILING = {"max_attempts": 4, "backoff": Backoff(initial=0.1, factor=1, maximum=0.1, jitter=False)}


async def edit(jetstream: JetStreamContext, **changed: Any) -> None:
    """Changes a consumer as an operator does."""
    config = (await ask(jetstream, f"CONSUMER.INFO.ORDERS.{DURABLE}"))["config"] | changed
    await ask(jetstream, f"CONSUMER.DURABLE.CREATE.ORDERS.{DURABLE}", stream_name="ORDERS", config=config)


@pytest.mark.parametrize("changed", [{"max_deliver": 2}, {"headers_only": True}])
async def test_an_edit_that_would_lose_messages_is_undone_in_create_mode(
    run_worker: RunWorker, jetstream: JetStreamContext, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]
) -> None:
    monkeypatch.setattr(handler_runner, "WATCH_EVERY", 0.1)
    handled: list[Any] = []

    async def handle(event: dict[str, int]) -> None:
        handled.append(event)
        if len(handled) < 4:
            raise ValueError("away")

    await jetstream.add_stream(name="ORDERS", subjects=["orders.>"])
    async with run_worker(subscription(handle, **FAILING)) as worker:
        await edit(jetstream, **changed)

        async def undone() -> bool:
            config = (await ask(jetstream, f"CONSUMER.INFO.ORDERS.{DURABLE}"))["config"]
            return config["max_deliver"] == -1 and not config.get("headers_only")

        await until(undone, "the edit is undone")
        await until(lambda: worker.readiness().ready, "it is ready again")
        await jetstream.publish("orders.order.created", b'{"n":1}')
        await until(lambda: len(handled) == 4, "every attempt is made")
    assert handled == [{"n": 1}] * 4
    assert (await jetstream.stream_info("DLQ")).state.messages == 0


@pytest.mark.parametrize("mode", ["off", "verify"])
async def test_an_edit_that_would_lose_messages_ends_a_worker_that_may_not_undo_it(
    run_worker: RunWorker, jetstream: JetStreamContext, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr(handler_runner, "WATCH_EVERY", 0.1)

    async def handle(event: Any) -> None: ...

    await jetstream.add_stream(name="ORDERS", subjects=["orders.>"])
    await prepare(jetstream)
    await jetstream.add_consumer("ORDERS", durable_name=DURABLE, filter_subject="orders.order.created", **FITTING)

    async def run_while_edited() -> None:
        async with run_worker(subscription(handle), STREAM_MODE=mode) as worker:
            assert worker.working
            await edit(jetstream, max_deliver=2)
            await asyncio.wait([worker.working], timeout=30)

    with pytest.raises(ConfigurationError, match="max_deliver is 2, wanted -1"):
        await run_while_edited()


async def test_another_filter_makes_the_worker_unready_and_stays(
    run_worker: RunWorker, jetstream: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be the filter of a newer version of the service, which two versions would change back and forth."""
    monkeypatch.setattr(handler_runner, "WATCH_EVERY", 0.1)

    async def handle(event: Any) -> None: ...

    await jetstream.add_stream(name="ORDERS", subjects=["orders.>"])
    async with run_worker(subscription(handle)) as worker:
        await edit(jetstream, filter_subject="orders.order.cancelled")
        await until(lambda: "filter" in worker.readiness().reason, "it says that the filter is another")
        config = (await ask(jetstream, f"CONSUMER.INFO.ORDERS.{DURABLE}"))["config"]
        assert config["filter_subject"] == "orders.order.cancelled"
        await edit(jetstream, filter_subject="orders.order.created")
        await until(lambda: worker.readiness().ready, "it is ready again")


async def test_a_lowered_ack_wait_is_followed(
    run_worker: RunWorker, jetstream: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler_runner, "WATCH_EVERY", 0.1)
    deliveries: list[int] = []

    async def handle(event: Any, message: Message) -> None:
        deliveries.append(message.deliveries)
        await asyncio.sleep(4)

    await jetstream.add_stream(name="ORDERS", subjects=["orders.>"])
    async with run_worker(subscription(handle, ack_wait=6)) as worker:
        await edit(jetstream, ack_wait=1_000_000_000)
        await until(lambda: worker.runners[0]._ack_wait == 1, "it is followed")
        await jetstream.publish("orders.order.created", b"1")
        await until(lambda: bool(deliveries), "the message is handled")
        await asyncio.sleep(3)  # longer than ack_wait: what is delivered again would have come
    assert deliveries == [1]
