"""fsai-nats-app with batches of 100 and the model that its own quick start validates into."""

import asyncio
import os
from typing import Any

from fsai_nats_app.fsai_nats_app import PullSubConfig, StreamConfig, create_nats_app

from benchmarks.rivals.events import Event

app = create_nats_app(os.environ["BENCH_URL"])


async def handle(data: Any, _: Any) -> None:
    Event(**data)


for number, subject in enumerate(os.environ["BENCH_SUBJECTS"].split(",")):
    app.subscriber(
        subject,
        stream=StreamConfig(os.environ["BENCH_STREAM"]),
        durable=f"rival-{number}",
        pull_sub=PullSubConfig(batch_size=100, timeout=5),
    )(handle)

asyncio.run(app.run())
