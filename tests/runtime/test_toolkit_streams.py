"""Streams and consumers by hand, on a real server."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from nats.js import JetStreamContext

from src.infrastructure.nats_client import NatsClient
from src.requests.nats import Nats
from src.toolkit.errors import InvalidName, Missing, Refused
from src.toolkit.streams import Streams


@pytest.fixture
def streams(own_nats: Nats) -> Streams:
    return Streams()


@pytest.fixture
async def tasks(streams: Streams, jetstream: JetStreamContext) -> Streams:
    """A stream TASKS with five messages, and a consumer `worker-1`."""
    await streams.create("TASKS", ["tasks.>"])
    await streams.create_consumer("TASKS", "worker-1", filter="tasks.processing", ack_wait=1)
    for number in range(5):
        await jetstream.publish("tasks.processing", str(number).encode())
    await jetstream.publish("tasks.other", b"other")
    return streams


async def test_stream_create_list_delete(streams: Streams) -> None:
    made = await streams.create(
        "TASKS",
        ["tasks.>", "jobs.*"],
        max_msgs=10_000,
        max_bytes=100 * 1024 * 1024,
        max_age=60,
        retention="workqueue",
        storage="memory",
        description="what is to be done",
    )

    config = made.config
    assert (config.name, config.subjects, made.state.messages) == ("TASKS", ["tasks.>", "jobs.*"], 0)
    assert (config.max_msgs, config.max_bytes, config.max_age) == (10_000, 100 * 1024 * 1024, 60)
    assert (config.retention, config.storage, config.num_replicas) == ("workqueue", "memory", 1)
    await streams.create("OTHER", ["other"])
    assert [stream.config.name async for stream in streams.list()] == ["OTHER", "TASKS"]
    await streams.delete("OTHER")
    [left] = [stream async for stream in streams.list()]
    assert (left.config.name, left.config.subjects, left.created) == ("TASKS", config.subjects, made.created)


async def test_stream_create_again_changes_nothing_and_says_what_differs(streams: Streams) -> None:
    made = await streams.create("TASKS", ["tasks.>"])
    again = await streams.create("TASKS", ["tasks.>"])
    assert (again.config, again.created) == (made.config, made.created)

    with pytest.raises(Refused, match="stream name already in use"):
        await streams.create("TASKS", ["other.>"])
    with pytest.raises(Refused, match="subjects overlap"):
        await streams.create("OTHER", ["tasks.one"])


async def test_stream_list_goes_beyond_the_first_page(streams: Streams) -> None:
    for number in range(260):  # the server lists 256 at once
        await streams.create(f"S{number}", [f"s.{number}"], storage="memory")

    assert len([stream async for stream in streams.list()]) == 260


async def test_stream_info_and_purge(tasks: Streams) -> None:
    state = (await tasks.info("TASKS")).state
    assert (state.messages, state.first_seq, state.last_seq, state.consumer_count) == (6, 1, 6, 1)
    assert state.bytes > 0

    async def left() -> int:
        return (await tasks.info("TASKS")).state.messages

    await tasks.purge("TASKS", subject="tasks.other")
    assert await left() == 5
    await tasks.purge("TASKS", before=3)
    assert await left() == 3
    await tasks.purge("TASKS", keep=1)
    assert await left() == 1
    await tasks.purge("TASKS")
    assert await left() == 0


async def test_stream_consumers(tasks: Streams) -> None:
    await tasks.create_consumer("TASKS", "all", deliver_policy="new", max_deliver=3)

    assert [consumer.name async for consumer in tasks.consumers("TASKS")] == ["all", "worker-1"]
    worker = await tasks.consumer("TASKS", "worker-1")
    config = worker.config
    assert (worker.stream_name, config.filter_subject, config.durable_name) == ("TASKS", "tasks.processing", "worker-1")
    assert (worker.num_pending, config.ack_wait, config.max_deliver) == (5, 1, -1)
    assert (await tasks.consumer("TASKS", "all")).config.max_deliver == 3
    await tasks.delete_consumer("TASKS", "all")
    with pytest.raises(Missing, match="consumer all of stream TASKS: consumer not found"):
        await tasks.consumer("TASKS", "all")


async def test_stream_consumer_of_several_subjects(tasks: Streams) -> None:
    made = await tasks.create_consumer("TASKS", "both", filter=["tasks.processing", "tasks.other"])

    assert made.config.filter_subjects == ["tasks.processing", "tasks.other"]
    assert len(await tasks.pull("TASKS", "both", 10)) == 6


async def test_consumer_pull_and_ack(tasks: Streams) -> None:
    messages = await tasks.pull("TASKS", "worker-1", batch=3)

    assert [message.data for message in messages] == [b"0", b"1", b"2"]
    assert [(message.subject, message.sequence, message.deliveries) for message in messages[:1]] == [
        ("tasks.processing", 1, 1)
    ]
    for message in messages:
        await message.ack_sync()
    info = await tasks.consumer("TASKS", "worker-1")
    assert info.ack_floor
    assert (info.ack_floor.stream_seq, info.num_ack_pending, info.num_pending) == (3, 0, 2)


async def test_consumer_pull_and_settle_in_other_ways(tasks: Streams) -> None:
    first, second, third = await tasks.pull("TASKS", "worker-1", batch=3)
    await first.nak(0.2)
    await second.term("cannot be done")
    # the third is left, and comes again after `ack_wait`

    assert [message.data for message in await tasks.pull("TASKS", "worker-1", batch=10)] == [b"3", b"4"]
    [again] = await tasks.pull("TASKS", "worker-1", timeout=5)
    assert (again.data, again.deliveries) == (first.data, 2)
    await again.ack()
    [late] = await tasks.pull("TASKS", "worker-1", timeout=5)
    assert (late.data, late.deliveries) == (third.data, 2)


async def test_consumer_pull_returns_at_once_what_is_there_and_waits_for_the_first(
    tasks: Streams, jetstream: JetStreamContext
) -> None:
    began = time.monotonic()
    assert len(await tasks.pull("TASKS", "worker-1", batch=100, timeout=30)) == 5
    assert time.monotonic() - began < 5
    await tasks.create_consumer("TASKS", "new", deliver_policy="new")
    assert await tasks.pull("TASKS", "new", batch=2, timeout=0.1) == []

    pulling = asyncio.create_task(tasks.pull("TASKS", "new", batch=2, timeout=10))
    while (await tasks.consumer("TASKS", "new")).num_waiting == 0:  # noqa: ASYNC110 (the server says so)
        await asyncio.sleep(0.01)
    await jetstream.publish("tasks.late", b"late")
    assert [message.data for message in await pulling] == [b"late"]


async def test_consumer_pull_of_1_mb_messages(streams: Streams, client: NatsClient) -> None:
    await streams.create("LARGE", ["large"])
    await streams.create_consumer("LARGE", "c")
    for number in range(5):
        await client.publish("large", bytes([number]) * 1_000_000, {})

    messages = await streams.pull("LARGE", "c", batch=5)

    assert [message.data for message in messages] == [bytes([number]) * 1_000_000 for number in range(5)]


async def test_consumer_pull_leaves_no_subscription_behind(tasks: Streams, client: NatsClient) -> None:
    await tasks.pull("TASKS", "worker-1")
    before = len(client.client._subs)
    for _ in range(5):
        await tasks.pull("TASKS", "worker-1", timeout=0.1)
    assert len(client.client._subs) == before


async def test_what_is_not_there_says_so(streams: Streams) -> None:
    for attempt in (
        streams.info("NONE"),
        streams.purge("NONE"),
        streams.delete("NONE"),
        streams.create_consumer("NONE", "c"),
        streams.consumer("NONE", "c"),
        streams.pull("NONE", "c"),
    ):
        with pytest.raises(Missing, match="NONE"):
            await attempt
    with pytest.raises(Missing):
        await anext(streams.consumers("NONE"))


@pytest.mark.parametrize("name", ["", "a.b", "a b", "*", ">", "../x", "a" * 129])
async def test_a_name_that_cannot_be_is_refused(streams: Streams, name: str) -> None:
    attempts: list[Any] = [streams.create(name, ["a"]), streams.info(name), streams.pull("A", name)]
    for attempt in attempts:
        with pytest.raises(InvalidName):
            await attempt
