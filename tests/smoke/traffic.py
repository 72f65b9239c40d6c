"""Events for the worker, and what became of them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import nats.errors
from nats.js import JetStreamContext

from natsgen.harness.service import GeneratedService
from tests.smoke.conftest import DURABLE, STREAM, SUBJECT

IN_FLIGHT = 500  # publishes whose confirmation is awaited together


def event(number: int) -> bytes:
    """An event as another service would publish it."""
    return json.dumps(
        {
            "id": f"evt_{number}",
            "type": SUBJECT,
            "timestamp": "2024-01-15T10:00:00Z",
            "aggregateId": f"agg_{number}",
            "data": {"number": number},
        }
    ).encode()


async def publish(jetstream: JetStreamContext, count: int, first: int = 0) -> None:
    """Publishes events `first` to `first + count - 1`, each confirmed."""
    for start in range(first, first + count, IN_FLIGHT):
        numbers = range(start, min(start + IN_FLIGHT, first + count))
        await asyncio.gather(*(publish_one(jetstream, number) for number in numbers))


async def publish_one(jetstream: JetStreamContext, number: int) -> None:
    """Publishes one event until it is confirmed; its `Nats-Msg-Id` keeps it from being stored twice."""
    while True:
        try:
            await jetstream.publish(SUBJECT, event(number), timeout=2, headers={"Nats-Msg-Id": f"evt_{number}"})
            return
        except (nats.errors.Error, TimeoutError, OSError):
            await asyncio.sleep(0.1)  # not waiting for something: the pace of the retries


async def settled(jetstream: JetStreamContext, limit: float = 60.0) -> None:
    """Waits until the consumer has nothing pending and nothing unacknowledged."""
    deadline = asyncio.get_running_loop().time() + limit
    while True:
        try:
            last = (await jetstream.stream_info(STREAM)).state.last_seq
            state = await jetstream.consumer_info(STREAM, DURABLE)
            # a consumer hears of a message a moment after its publisher does, and has nothing pending until then
            seen_all = state.delivered is not None and state.delivered.stream_seq >= last
            if seen_all and state.num_pending == 0 and state.num_ack_pending == 0:
                return
            seen: Any = state
        except nats.errors.Error as error:
            seen = error
        assert asyncio.get_running_loop().time() < deadline, f"not settled within {limit} s: {seen}"
        await asyncio.sleep(0.02)


def handled(worker: GeneratedService) -> set[str]:
    """The ids of the events that the generated handler has logged as handled."""
    return {record["event_id"] for record in worker.log_records() if record["message"] == "event handled"}


def counts(worker: GeneratedService) -> dict[str, Any]:
    """The handler's counts in `/stats`."""
    return dict(worker.stats()["subscriptions"]["order_created"])
