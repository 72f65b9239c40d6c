"""Consumers that somebody else made."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
from nats.js import JetStreamContext
from nats.js.api import AckPolicy

from src.infrastructure import handler_runner
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.message import Message
from src.infrastructure.subscription import Subscription
from tests.runtime.conftest import RunWorker, until

DURABLE = "billing-order_created"
FITTING: dict[str, Any] = {"ack_policy": AckPolicy.EXPLICIT, "ack_wait": 30, "max_ack_pending": 10_000}


def subscription(function: Any, **options: Any) -> Subscription:
    return Subscription("order_created", "orders.order.created", function, **options)


@pytest.mark.parametrize(
    "limits",
    [
        {"max_batch": 10, "max_expires": 5_000_000_000},
        {"max_batch": 1},
        {"max_bytes": 2_000},
        {"max_waiting": 1, "max_expires": 1_000_000_000},
    ],
)
async def test_a_stricter_consumer_gets_smaller_requests(
    run_worker: RunWorker, jetstream: JetStreamContext, limits: dict[str, int]
) -> None:
    handled: list[int] = []

    async def handle(number: int) -> None:
        handled.append(number)

    await jetstream.add_stream(name="ORDERS", subjects=["orders.>"])
    config = {
        "durable_name": DURABLE,
        "ack_policy": "explicit",
        "filter_subject": "orders.order.created",
        **limits,
    }
    request = json.dumps({"stream_name": "ORDERS", "config": config}).encode()
    await jetstream._nc.request(f"$JS.API.CONSUMER.DURABLE.CREATE.ORDERS.{DURABLE}", request)
    async with run_worker(subscription(handle)):
        for number in range(30):
            await jetstream.publish("orders.order.created", str(number).encode())
        await until(lambda: handled == list(range(30)), "every message is handled", limit=60)


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


async def prepare(jetstream: JetStreamContext) -> None:
    """Creates what a worker needs besides its stream and consumer, as an operator does."""
    await jetstream.add_stream(name="DLQ", subjects=["dlq.>", "replay.>"])
    await jetstream.create_key_value(bucket="attempts_billing")
    replays = {"durable_name": f"{DURABLE}-replay", "filter_subject": "replay.billing.order_created"}
    await jetstream.add_consumer("DLQ", **replays, **FITTING)


@pytest.mark.parametrize(
    ("mode", "options", "named"),
    [
        ("off", {"ack_policy": AckPolicy.NONE}, "ack_policy is none"),
        ("off", {"ack_policy": AckPolicy.ALL}, "ack_policy is all"),
        ("off", {"max_deliver": 3}, "max_deliver is 3"),
        ("off", {"headers_only": True}, "headers_only is True"),
        ("off", {"deliver_subject": "pushed"}, "deliver_subject is pushed"),
        ("verify", {"ack_policy": AckPolicy.NONE}, "ack_policy is none"),
        ("verify", {"ack_policy": AckPolicy.ALL}, "ack_policy is all"),
        ("verify", {"backoff": [1, 2], "max_deliver": 3}, "max_deliver is 3.*backoff is"),
        ("create", {"ack_policy": AckPolicy.NONE}, "is refused: .*ack_policy is none"),
        ("create", {"ack_policy": AckPolicy.ALL}, "is refused: .*ack_policy is all"),
    ],
)
async def test_a_consumer_that_would_lose_messages_stops_the_start(
    run_worker: RunWorker, jetstream: JetStreamContext, mode: str, options: dict[str, Any], named: str
) -> None:
    async def handle(event: Any) -> None: ...

    await jetstream.add_stream(name="ORDERS", subjects=["orders.>"])
    await prepare(jetstream)
    found = {"durable_name": DURABLE, "filter_subject": "orders.order.created", **FITTING, **options}
    await jetstream.add_consumer("ORDERS", **found)

    with pytest.raises(ConfigurationError, match=named):
        async with run_worker(subscription(handle), STREAM_MODE=mode):
            pass


async def ask(jetstream: JetStreamContext, subject: str, **request: Any) -> dict[str, Any]:
    """The answer of JetStream's API, for what nats-py does not know."""
    answer = json.loads((await jetstream._nc.request(f"$JS.API.{subject}", json.dumps(request).encode())).data)
    assert "error" not in answer
    return dict(answer)


async def test_a_consumer_with_priority_groups_stops_the_start(
    run_worker: RunWorker, jetstream: JetStreamContext
) -> None:
    """A worker pulls without naming a group, and such a consumer answers none of its requests."""

    async def handle(event: Any) -> None: ...

    await jetstream.add_stream(name="ORDERS", subjects=["orders.>"])
    await prepare(jetstream)
    fitting = {"durable_name": DURABLE, "filter_subject": "orders.order.created", "ack_policy": "explicit"}
    config = {**fitting, "priority_groups": ["east"], "priority_policy": "overflow"}
    await ask(jetstream, f"CONSUMER.DURABLE.CREATE.ORDERS.{DURABLE}", stream_name="ORDERS", config=config)

    with pytest.raises(ConfigurationError, match=r"priority_groups is \['east'\]"):
        async with run_worker(subscription(handle), STREAM_MODE="off"):
            pass


async def map_subjects(jetstream: JetStreamContext, source: str, stored: str) -> None:
    transform = {"src": source, "dest": stored}
    await ask(jetstream, "STREAM.CREATE.MAPPED", name="MAPPED", subjects=["in.>"], subject_transform=transform)


@pytest.mark.parametrize("mode", ["off", "verify", "create"])
@pytest.mark.parametrize(
    ("stored", "subject"),
    [
        ("orders.>", "orders.order.created"),
        ("orders.{{wildcard(1)}}.{{wildcard(2)}}", "orders.*.created"),
        ("in.v2.>", "in.>"),
    ],
)
async def test_a_message_whose_stream_gives_it_another_subject_is_handled_with_that(
    run_worker: RunWorker, jetstream: JetStreamContext, mode: str, stored: str, subject: str
) -> None:
    subjects: list[str] = []

    async def handle(event: Any, message: Message) -> None:
        subjects.append(message.subject)

    await map_subjects(jetstream, "in.*.*" if "wildcard" in stored else "in.>", stored)
    await prepare(jetstream)
    await jetstream.add_consumer("MAPPED", durable_name=DURABLE, filter_subject=subject, **FITTING)
    await jetstream.publish("in.order.created", b"1")

    async with run_worker(Subscription("order_created", subject, handle, stream="MAPPED"), STREAM_MODE=mode):
        await until(lambda: bool(subjects), "the message is handled")
        await jetstream.publish("in.order.created", b"2")
        await until(lambda: len(subjects) == 2, "the next one, too")
    assert set(subjects) == {"in.v2.order.created" if stored == "in.v2.>" else "orders.order.created"}


@pytest.mark.parametrize("mode", ["off", "verify", "create"])
@pytest.mark.parametrize("stored", ["orders.>", "in.{{wildcard(1)}}.v2", "kept.>"])
async def test_a_subject_that_its_stream_stores_as_another_stops_the_start(
    run_worker: RunWorker, jetstream: JetStreamContext, mode: str, stored: str
) -> None:
    async def handle(event: Any) -> None: ...

    await map_subjects(jetstream, "in.*.created" if "wildcard" in stored else "in.>", stored)
    await prepare(jetstream)

    with pytest.raises(ConfigurationError, match=re.escape(f"stream MAPPED stores in.order.created as {stored}")):
        async with run_worker(Subscription("order_created", "in.order.created", handle), STREAM_MODE=mode):
            pass


@pytest.mark.parametrize("annotation", [bytes, dict[str, int], list[bytes]])
async def test_a_delete_marker_of_the_server_is_skipped(
    run_worker: RunWorker, jetstream: JetStreamContext, annotation: Any
) -> None:
    handled: list[Any] = []

    async def handle(event: Any) -> None:
        handled.append(event)

    handle.__annotations__["event"] = annotation
    await ask(
        jetstream, "STREAM.CREATE.ORDERS", name="ORDERS", subjects=["orders.>"], allow_msg_ttl=True,
        subject_delete_marker_ttl=1_000_000_000,
    )  # fmt: skip
    async with run_worker(subscription(handle)):
        await jetstream.publish("orders.order.created", b'{"n": 1}', headers={"Nats-TTL": "1s"})

        async def marker_settled() -> bool:
            info = await jetstream.consumer_info("ORDERS", DURABLE)
            return info.ack_floor is not None and info.ack_floor.stream_seq >= 2

        await until(marker_settled, "the marker is settled", limit=30)
        await jetstream.publish("orders.order.created", b'{"n": 2}')
        await until(lambda: len(handled) == 2, "the next message is handled")
    assert (await jetstream.stream_info("DLQ")).state.messages == 0


@pytest.mark.parametrize("mode", ["off", "create"])
async def test_a_paused_consumer_is_told_and_goes_on_after_its_pause(
    run_worker: RunWorker, jetstream: JetStreamContext, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr(handler_runner, "WATCH_EVERY", 0.1)
    handled: list[int] = []

    async def handle(number: int) -> None:
        handled.append(number)

    await jetstream.add_stream(name="ORDERS", subjects=["orders.>"])
    await prepare(jetstream)
    await jetstream.add_consumer("ORDERS", durable_name=DURABLE, filter_subject="orders.order.created", **FITTING)
    async with run_worker(subscription(handle), STREAM_MODE=mode) as worker:
        await ask(jetstream, f"CONSUMER.PAUSE.ORDERS.{DURABLE}", pause_until="2999-01-01T00:00:00Z")
        await until(lambda: "paused" in worker.readiness().reason, "it says that it is paused")
        assert not worker.readiness().ready
        await jetstream.publish("orders.order.created", b"1")
        assert (await ask(jetstream, f"CONSUMER.INFO.ORDERS.{DURABLE}"))["paused"]  # it leaves that as it is
        await ask(jetstream, f"CONSUMER.PAUSE.ORDERS.{DURABLE}")
        await until(lambda: worker.readiness().ready, "it is ready again")
        await until(lambda: handled == [1], "the message is handled")


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
