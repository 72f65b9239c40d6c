"""How large messages and batches may be, and where to put what is larger. Objects and buckets have their own files."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from nats.js import JetStreamContext

from natsgen.harness.waiting import wait_until
from src.actions.action import Action
from src.infrastructure.errors import TooLarge
from src.infrastructure.publishing import publish
from src.infrastructure.subscription import Message, Subscription
from src.requests.nats import nats as service_nats
from src.toolkit.batches import publish_many
from src.toolkit.objects import Store
from src.toolkit.publishers import publisher

SUBJECT = "integration.order.created"
LARGE = bytes(range(250)) * 4_000  # 1 MB
TOO_LARGE = bytes(1024 * 1024 + 1)  # the server takes 1 MiB
WAY_ON = r"max_payload\); store large data elsewhere, such as in an object store, and publish its name"


def subscription(function: Any) -> Subscription:
    return Subscription(handler="tested", subject=SUBJECT, function=function)


async def idle(event: dict[str, Any]) -> None:
    """A handler, so that there is a worker and a stream INTEGRATION."""


async def echo(payload: bytes) -> bytes:
    return payload


async def test_1000_messages_in_a_batch_of_which_each_failure_is_reported(
    run_worker: Any, jetstream: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails holds up nothing: all others are stored, in their order."""
    monkeypatch.setattr("src.infrastructure.publishing.RETRY_FOR", 0.1)
    await jetstream.add_stream(name="BATCH", subjects=["batch.>"])
    wrong = {7: "too large", 499: "nowhere", 500: "no JSON", 998: "nowhere", 999: "too large"}
    content: dict[str, Any] = {"too large": TOO_LARGE, "nowhere": b"x", "no JSON": {"never": object()}}
    batch = [
        (
            f"{'nowhere' if wrong.get(number) == 'nowhere' else 'batch'}.{number}",
            content.get(wrong.get(number, ""), b"x"),
        )
        for number in range(1000)
    ]

    async with run_worker(subscription(idle)):
        results = await publish_many(batch)

    assert [result.subject for result in results] == [subject for subject, _ in batch]
    failed = {number: str(result.error) for number, result in enumerate(results) if not result.ok}
    assert failed.keys() == wrong.keys()
    says = {"too large": "max_payload", "nowhere": "no stream stores nowhere", "no JSON": "Unable to serialize"}
    assert all(says[why] in failed[number] for number, why in wrong.items())
    assert [result.ack.seq for result in results if result.ack] == list(range(1, 996))
    assert (await jetstream.get_msg("BATCH", 995)).subject == "batch.997"


async def test_1_mb_messages_by_publish_request_and_handler(run_worker: Any, jetstream: JetStreamContext) -> None:
    handled: list[bytes] = []

    async def handle(payload: bytes, message: Message) -> None:
        handled.append(payload)
        if len(handled) == 1:
            await message.publish("integration.order.followed", payload)

    async with run_worker(subscription(handle), Action("echo", echo)):
        ack = await publish(SUBJECT, LARGE)
        await asyncio.to_thread(wait_until, lambda: handled, limit=30, what="the message")
        answer = await service_nats.request("v1.billing.echo", LARGE, timeout=10)
        called = await service_nats.call("v1.billing.echo", LARGE, timeout=10, response=bytes)
        followed = await jetstream.get_last_msg("INTEGRATION", "integration.order.followed")

    assert (await jetstream.get_msg("INTEGRATION", ack.seq)).data == LARGE
    assert (handled, answer.data, called, followed.data) == ([LARGE], LARGE, LARGE, LARGE)


async def test_what_is_above_max_payload_names_the_object_store_as_the_way_on(run_worker: Any) -> None:
    """And the connection lives."""
    declared = publisher("integration.order.followed")
    async with run_worker(subscription(idle), Action("echo", echo)) as worker:
        for attempt in (
            lambda: publish(SUBJECT, TOO_LARGE),
            lambda: declared.publish(TOO_LARGE),
            lambda: service_nats.publish(SUBJECT, TOO_LARGE),
            lambda: service_nats.request("v1.billing.echo", TOO_LARGE),
            lambda: service_nats.call("v1.billing.echo", TOO_LARGE),
        ):
            with pytest.raises(TooLarge, match=WAY_ON):
                await attempt()
        (sent,) = await publish_many([(SUBJECT, TOO_LARGE)])
        with pytest.raises(TooLarge, match=WAY_ON):
            raise sent.error or AssertionError("it was sent")

        assert await service_nats.call("v1.billing.echo", b"x", response=bytes) == b"x"
        assert worker.nats.connections == 1


async def test_what_is_larger_than_a_message_goes_by_the_object_store(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    """The way on that the error names: the content is kept, and its name published."""
    large = LARGE * 5
    documents = Store("documents")
    fetched: list[bytes] = []

    async def handle(event: dict[str, Any]) -> None:
        fetched.append(await documents.get(event["document"]))

    async with run_worker(subscription(handle)):
        await (await documents.open()).put("reports/q4", large)
        await publish(SUBJECT, {"document": "reports/q4"})
        await asyncio.to_thread(wait_until, lambda: fetched, limit=30, what="the message")

    assert fetched == [large]
