"""Bare nats-py with `fetch(100)`: parses JSON and acknowledges."""

import asyncio
import json
import os

import nats
import nats.errors
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig


async def consume(jetstream: JetStreamContext, number: int, subject: str) -> None:
    subscription = await jetstream.pull_subscribe(
        subject,
        stream=os.environ["BENCH_STREAM"],
        durable=f"rival-{number}",
        config=ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, max_ack_pending=10_000),
    )
    while True:
        try:
            messages = await subscription.fetch(100, timeout=5)
        except nats.errors.TimeoutError:
            continue
        for message in messages:
            json.loads(message.data)
            await message.ack()


async def main() -> None:
    jetstream = (await nats.connect(os.environ["BENCH_URL"])).jetstream()
    subjects = os.environ["BENCH_SUBJECTS"].split(",")
    await asyncio.gather(*(consume(jetstream, number, subject) for number, subject in enumerate(subjects)))


asyncio.run(main())
