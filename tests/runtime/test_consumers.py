"""Several replicas that make the same things at the same time."""

from __future__ import annotations

import asyncio
from typing import Any

from nats.js.api import StreamConfig

from src.config import Settings
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.pull_consumer import Consumer
from src.infrastructure.receiving.consumers import Consumers, Progress
from src.infrastructure.receiving.streams import Streams
from src.infrastructure.subscription import Subscription

SUBJECT = "integration.order.created"


async def handle(event: dict[str, Any]) -> None: ...


async def test_replicas_may_make_a_deleted_consumer_again_at_once(
    client: NatsClient, service_settings: Settings
) -> None:
    """Each has last seen it somewhere else."""
    await client.jetstream.add_stream(StreamConfig(name="INTEGRATION", subjects=["integration.>"]))
    for _ in range(10):
        await client.jetstream.publish(SUBJECT, b"{}")
    created = (await client.jetstream.stream_info("INTEGRATION")).created
    consumer = Consumer("INTEGRATION", "billing-tested", created)
    subscription = Subscription(handler="tested", subject=SUBJECT, function=handle)

    async def provide(acknowledged: int) -> Consumer:
        consumers = Consumers(client, Streams(client, service_settings), service_settings)
        return await consumers.provide(subscription, Progress(consumer, acknowledged))

    assert await asyncio.gather(provide(3), provide(5), provide(0)) == [consumer] * 3


async def test_services_may_make_the_dead_letter_stream_at_once(client: NatsClient, service_settings: Settings) -> None:
    """One wants its streams otherwise than the other."""
    streams = Streams(client, service_settings)

    async def make(**config: Any) -> None:
        await streams._make_stream("DLQ", ["dlq.>", "replay.>"], **config)

    await asyncio.gather(make(), make(allow_msg_schedules=True))
    await streams.dead_letters()
