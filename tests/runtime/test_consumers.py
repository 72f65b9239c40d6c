"""Several replicas that make the same things at the same time."""

from __future__ import annotations

import asyncio
from typing import Any

from nats.js.api import StreamConfig

from src.infrastructure.nats_client import NatsClient
from src.infrastructure.provisioning import Consumer, consumer_for, ensure_dead_letters
from src.infrastructure.subscription import Subscription

SUBJECT = "integration.order.created"


async def handle(event: dict[str, Any]) -> None: ...


async def test_replicas_may_make_a_deleted_consumer_again_at_once(client: NatsClient) -> None:
    """Each has last seen it somewhere else."""
    await client.jetstream.add_stream(StreamConfig(name="INTEGRATION", subjects=["integration.>"]))
    for _ in range(10):
        await client.jetstream.publish(SUBJECT, b"{}")
    created = (await client.jetstream.stream_info("INTEGRATION")).created
    consumer = Consumer("INTEGRATION", "billing-tested", created)
    subscription = Subscription(handler="tested", subject=SUBJECT, function=handle)

    async def provide(settled: int) -> Consumer:
        return await consumer_for(client, subscription, (consumer, settled))

    assert await asyncio.gather(provide(3), provide(5), provide(0)) == [consumer] * 3


async def test_services_may_make_the_dead_letter_stream_at_once(client: NatsClient) -> None:
    await asyncio.gather(*(ensure_dead_letters(client) for _ in range(5)))

    info = await client.jetstream.stream_info("DLQ")
    assert info.config.subjects == ["dlq.>", "replay.>"]
