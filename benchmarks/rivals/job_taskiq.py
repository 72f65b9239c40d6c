"""The realistic job by Taskiq on Redis streams, its natural broker; `job_taskiq.py COUNT` enqueues, else it works."""

import asyncio
import json
import logging
import os
import sys
import uuid
from typing import Any

import nats
from nats.js import JetStreamContext
from redis.asyncio import Redis
from taskiq import TaskiqEvents, TaskiqState
from taskiq.api import run_receiver_task
from taskiq_redis import RedisStreamBroker

from benchmarks.rivals.events import Done, Event

DAY, LEASE = 86_400, 20
WORKER = uuid.uuid4().hex

broker = RedisStreamBroker(os.environ["BENCH_REDIS"])
redis = Redis.from_url(os.environ["BENCH_REDIS"])


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def connect(state: TaskiqState) -> None:
    state.jetstream = (await nats.connect(os.environ["BENCH_URL"])).jetstream()


@broker.task(task_name="job")
async def job(event: Event) -> None:
    key = f"inbox:{event.id}"
    if not await redis.set(key, WORKER, nx=True, ex=LEASE):
        return
    logging.info("handled %s", event.data.number)
    done = Done(number=event.data.number, text=event.data.text)
    headers = {"Nats-Msg-Id": f"done-{event.id}", "Correlation-Id": event.id}
    jetstream: JetStreamContext = broker.state.jetstream
    await jetstream.publish("done.item", done.model_dump_json().encode(), headers=headers)
    await redis.set(key, "done", ex=DAY)


async def enqueue(events: list[dict[str, Any]]) -> None:
    await broker.startup()
    for first in range(0, len(events), 200):
        await asyncio.gather(*(job.kiq(event) for event in events[first : first + 200]))
    await broker.shutdown()


async def work() -> None:
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO, format='{"time": "%(asctime)s", "message": "%(message)s"}'
    )
    logging.getLogger("taskiq").setLevel(logging.WARNING)  # a line of its own for each task
    broker.is_worker_process = True
    await run_receiver_task(broker, max_async_tasks=100, run_startup=True)


asyncio.run(enqueue([json.loads(line) for line in sys.stdin]) if "enqueue" in sys.argv else work())
