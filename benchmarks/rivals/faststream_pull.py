"""FastStream's pull subscriber with a pydantic model; its log of every message is off, which makes it faster."""

import asyncio
import os

from faststream import FastStream
from faststream.nats import JStream, NatsBroker, PullSub
from nats.js.api import ConsumerConfig

from benchmarks.rivals.events import Event

broker = NatsBroker(os.environ["BENCH_URL"], logger=None)


async def handle(event: Event) -> None:
    """Nothing."""


for number, subject in enumerate(os.environ["BENCH_SUBJECTS"].split(",")):
    broker.subscriber(
        subject,
        stream=JStream(os.environ["BENCH_STREAM"], declare=False),
        durable=f"rival-{number}",
        config=ConsumerConfig(max_ack_pending=10_000),
        pull_sub=PullSub(batch_size=100, timeout=5),
    )(handle)

asyncio.run(FastStream(broker, logger=None).run())
