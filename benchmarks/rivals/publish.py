"""Bare nats-py that parses JSON, publishes one message for each, awaits the stream's confirmation, and acknowledges."""

import asyncio
import json
import os

import nats
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig


async def main() -> None:
    client = await nats.connect(os.environ["BENCH_URL"])
    jetstream = client.jetstream()

    async def handle(message: Msg) -> None:
        event = json.loads(message.data)
        headers = {"Nats-Msg-Id": event["id"], "Correlation-Id": event["id"]}
        await jetstream.publish("publishes.done", json.dumps(event["data"]).encode(), headers=headers)
        await message.ack()

    await jetstream.subscribe(
        os.environ["BENCH_SUBJECTS"],
        stream=os.environ["BENCH_STREAM"],
        durable="rival-0",
        cb=handle,
        manual_ack=True,
        config=ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, max_ack_pending=10_000),
        pending_msgs_limit=0,  # what waits for acknowledgement bounds it
        pending_bytes_limit=0,
    )
    await asyncio.Event().wait()


asyncio.run(main())
