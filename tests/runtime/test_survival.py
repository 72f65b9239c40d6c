"""No event is lost, whatever goes away: on a real NATS server that is killed, and with a consumer that is deleted."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import nats.errors
from nats.js import JetStreamContext

from natsgen.harness.nats_server import NatsServer
from src.config import settings
from src.infrastructure.errors import Reject
from src.infrastructure.subscription import Backoff, Subscription
from tests.runtime.conftest import until

SUBJECT = "integration.order.created"
STREAM = "INTEGRATION"
EVENTS = 300


class Handler:
    """Counts what it handles; every tenth event fails the first time, every fiftieth is rejected."""

    def __init__(self) -> None:
        self.handled: Counter[int] = Counter()
        self.failed: set[int] = set()

    async def handle(self, event: dict[str, Any]) -> None:
        number = event["n"]
        if number % 50 == 0:
            raise Reject("every fiftieth")
        if number % 10 == 0 and number not in self.failed:
            self.failed.add(number)
            raise RuntimeError("the first time")
        self.handled[number] += 1

    def subscription(self) -> Subscription:
        soon = Backoff(initial=0.05, maximum=0.2)
        return Subscription(handler="tested", subject=SUBJECT, function=self.handle, ack_wait=2, backoff=soon)


async def publish(jetstream: JetStreamContext, first: int, last: int) -> None:
    """Publishes events until each is confirmed; only those count."""
    for number in range(first, last):
        while True:
            try:
                await jetstream.publish(
                    SUBJECT, json.dumps({"n": number}).encode(), timeout=1, headers={"Nats-Msg-Id": f"evt_{number}"}
                )
                break
            except (nats.errors.Error, TimeoutError):
                await asyncio.sleep(0.05)  # the pace of the retries


async def rejected(jetstream: JetStreamContext) -> int:
    info = await jetstream.stream_info("DLQ", subjects_filter=f"dlq.{settings.SERVICE_NAME}.tested")
    return sum((info.state.subjects or {}).values())


async def test_every_event_is_handled_though_the_server_is_killed(
    run_worker: Any, jetstream: JetStreamContext, nats_server: NatsServer
) -> None:
    handler = Handler()
    async with run_worker(handler.subscription()):
        await publish(jetstream, 0, EVENTS // 2)
        nats_server.kill()
        nats_server.start()
        await publish(jetstream, EVENTS // 2, EVENTS)
        good = {number for number in range(EVENTS) if number % 50}
        await until(lambda: set(handler.handled) == good, "every event to be handled", limit=60)
        await until(lambda: _all_rejected(jetstream), "the others to be dead letters", limit=60)


async def test_every_event_is_handled_though_the_consumer_is_deleted(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    handler = Handler()
    async with run_worker(handler.subscription()):
        await publish(jetstream, 0, EVENTS // 2)
        await jetstream.delete_consumer(STREAM, f"{settings.SERVICE_NAME}-tested")
        await publish(jetstream, EVENTS // 2, EVENTS)
        good = {number for number in range(EVENTS) if number % 50}
        await until(lambda: set(handler.handled) == good, "every event to be handled", limit=60)


async def test_with_the_inbox_every_event_is_handled_once_though_the_server_is_killed(
    run_worker: Any, jetstream: JetStreamContext, nats_server: NatsServer
) -> None:
    handler = Handler()
    async with run_worker(handler.subscription(), DEDUP="nats-kv"):
        await publish(jetstream, 0, EVENTS // 2)
        nats_server.kill()
        nats_server.start()
        await publish(jetstream, EVENTS // 2, EVENTS)
        good = {number for number in range(EVENTS) if number % 50}
        await until(lambda: set(handler.handled) == good, "every event to be handled", limit=60)
        await until(lambda: _nothing_left(jetstream), "the server to know", limit=60)

    assert set(handler.handled.values()) == {1}


async def _all_rejected(jetstream: JetStreamContext) -> bool:
    return await rejected(jetstream) == EVENTS // 50


async def _nothing_left(jetstream: JetStreamContext) -> bool:
    state = await jetstream.consumer_info(STREAM, f"{settings.SERVICE_NAME}-tested")
    return (state.num_pending, state.num_ack_pending) == (0, 0)
