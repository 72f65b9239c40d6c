"""A bare push subscription of nats-py that parses JSON and acknowledges: the practical limit of the client.

With BENCH_IMPORTS it imports these modules first; with BENCH_RECORD it notes each message's `text` and when it came.
"""

import asyncio
import contextlib
import importlib
import json
import os
import time

import nats
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig

RECORD = os.environ.get("BENCH_RECORD")


async def main() -> None:
    client = await nats.connect(os.environ["BENCH_URL"])
    jetstream = client.jetstream()
    record = os.open(RECORD, os.O_WRONLY | os.O_APPEND) if RECORD else None

    async def handle(message: Msg) -> None:
        event = json.loads(message.data)
        if record is not None:
            os.write(record, f"{event['data']['text']} {time.monotonic_ns()}\n".encode())
        await message.ack()

    for number, subject in enumerate(os.environ["BENCH_SUBJECTS"].split(",")):
        await jetstream.subscribe(
            subject,
            stream=os.environ["BENCH_STREAM"],
            durable=f"rival-{number}",
            cb=handle,
            manual_ack=True,
            config=ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, max_ack_pending=10_000),
            pending_msgs_limit=0,  # what waits for acknowledgement bounds it
            pending_bytes_limit=0,
        )
    await asyncio.Event().wait()


for module in filter(None, os.environ.get("BENCH_IMPORTS", "").split(",")):
    with contextlib.suppress(Exception):  # some cannot be imported on their own
        importlib.import_module(module)
asyncio.run(main())
