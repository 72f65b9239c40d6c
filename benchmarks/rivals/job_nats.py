"""The realistic job by bare nats-py, redis-py and logging: 100 messages at once; see `benchmarks.job`."""

import asyncio
import logging
import os
import sys
import uuid

import nats
import nats.errors
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig
from redis.asyncio import Redis

from benchmarks.rivals.events import Done, Event

DAY, LEASE = 86_400, 20
WORKER = uuid.uuid4().hex


async def main() -> None:
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO, format='{"time": "%(asctime)s", "message": "%(message)s"}'
    )
    redis = Redis.from_url(os.environ["BENCH_REDIS"])
    jetstream = (await nats.connect(os.environ["BENCH_URL"])).jetstream()
    subscription = await jetstream.pull_subscribe(
        os.environ["BENCH_SUBJECTS"],
        stream=os.environ["BENCH_STREAM"],
        durable="rival",
        config=ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, max_ack_pending=10_000),
    )

    async def handle(message: Msg) -> None:
        try:
            event = Event.model_validate_json(message.data)
            key = f"inbox:{event.id}"
            if not await redis.set(key, WORKER, nx=True, ex=LEASE):
                if await redis.get(key) != b"done":
                    await message.nak(10)
                    return
            else:
                logging.info("handled %s", event.data.number)
                done = Done(number=event.data.number, text=event.data.text)
                headers = {"Nats-Msg-Id": f"done-{event.id}", "Correlation-Id": event.id}
                await jetstream.publish("done.item", done.model_dump_json().encode(), headers=headers)
                await redis.set(key, "done", ex=DAY)
            await message.ack()
        except Exception:
            logging.exception("failed")
            await message.nak(1)

    while True:
        try:
            messages = await subscription.fetch(100, timeout=5)
        except nats.errors.TimeoutError:
            continue
        await asyncio.gather(*map(handle, messages))


asyncio.run(main())
