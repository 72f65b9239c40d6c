"""The realistic job by FastStream, with deduplication as a middleware: 100 messages at once; see `benchmarks.job`."""

import asyncio
import logging
import os
import sys
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from faststream import AckPolicy, BaseMiddleware, FastStream
from faststream.exceptions import NackMessage
from faststream.message import StreamMessage
from faststream.nats import JStream, NatsBroker, PullSub
from nats.js.api import ConsumerConfig
from redis.asyncio import Redis

from benchmarks.rivals.events import Done, Event

DAY, LEASE = 86_400, 20
WORKER = uuid.uuid4().hex

logging.basicConfig(stream=sys.stdout, level=logging.INFO, format='{"time": "%(asctime)s", "message": "%(message)s"}')
redis = Redis.from_url(os.environ["BENCH_REDIS"])


class Inbox(BaseMiddleware):
    """Claims a message for a short time, and marks it as done after its handler."""

    async def consume_scope(
        self, call_next: Callable[[StreamMessage[Any]], Awaitable[Any]], msg: StreamMessage[Any]
    ) -> Any:
        key = f"inbox:{(await msg.decode())['id']}"
        if not await redis.set(key, WORKER, nx=True, ex=LEASE):
            if await redis.get(key) != b"done":
                raise NackMessage(delay=10)
            return None
        result = await call_next(msg)
        await redis.set(key, "done", ex=DAY)
        return result


broker = NatsBroker(os.environ["BENCH_URL"], logger=None, middlewares=[Inbox])


@broker.subscriber(
    os.environ["BENCH_SUBJECTS"],
    stream=JStream(os.environ["BENCH_STREAM"], declare=False),
    durable="rival",
    config=ConsumerConfig(max_ack_pending=10_000),
    pull_sub=PullSub(batch_size=100, timeout=5),
    max_workers=100,
    ack_policy=AckPolicy.NACK_ON_ERROR,
)
async def handle(event: Event) -> None:
    logging.info("handled %s", event.data.number)
    done = Done(number=event.data.number, text=event.data.text)
    headers = {"Nats-Msg-Id": f"done-{event.id}"}
    await broker.publish(done, "done.item", headers=headers, stream="DONE", correlation_id=event.id)


asyncio.run(FastStream(broker, logger=None).run())
