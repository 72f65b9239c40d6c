"""Streams and consumers by hand, on a real server."""

from __future__ import annotations

import pytest
from nats.js.errors import NotFoundError

from src.infrastructure.publishing import publish
from src.requests.nats import Nats
from src.toolkit.streams import jetstream


async def test_stream_create_list_delete(own_nats: Nats) -> None:
    by_hand = await jetstream()
    made = await by_hand.add_stream(
        name="TASKS", subjects=["tasks.>", "jobs.*"], max_msgs=10_000, retention="workqueue"
    )
    await by_hand.add_stream(name="OTHER", subjects=["other"])

    assert (made.config.subjects, made.config.max_msgs, made.state.messages) == (["tasks.>", "jobs.*"], 10_000, 0)
    assert [stream.config.name for stream in await by_hand.streams_info()] == ["OTHER", "TASKS"]
    await by_hand.delete_stream("OTHER")
    [left] = await by_hand.streams_info()
    assert (left.config.name, left.created) == ("TASKS", made.created)
    with pytest.raises(NotFoundError):
        await by_hand.stream_info("OTHER")


async def test_stream_info_and_purge(own_nats: Nats) -> None:
    by_hand = await jetstream()
    await by_hand.add_stream(name="TASKS", subjects=["tasks.>"])
    for number in range(5):
        await publish("tasks.processing", b"%d" % number)

    state = (await by_hand.stream_info("TASKS")).state
    assert (state.messages, state.first_seq, state.last_seq) == (5, 1, 5)
    assert state.bytes > 0
    await by_hand.purge_stream("TASKS", keep=1)
    assert (await by_hand.stream_info("TASKS")).state.messages == 1


async def test_stream_consumers(own_nats: Nats) -> None:
    by_hand = await jetstream()
    await by_hand.add_stream(name="TASKS", subjects=["tasks.>"])
    await by_hand.add_consumer("TASKS", durable_name="worker-1", filter_subject="tasks.processing", ack_wait=1)
    await publish("tasks.processing", b"1")
    await publish("tasks.other", b"2")

    assert [consumer.name for consumer in await by_hand.consumers_info("TASKS")] == ["worker-1"]
    worker = await by_hand.consumer_info("TASKS", "worker-1")
    assert (worker.num_pending, worker.config.filter_subject, worker.config.ack_wait) == (1, "tasks.processing", 1)
    await by_hand.delete_consumer("TASKS", "worker-1")
    assert await by_hand.consumers_info("TASKS") == []


async def test_consumer_pull_and_ack(own_nats: Nats) -> None:
    by_hand = await jetstream()
    await by_hand.add_stream(name="TASKS", subjects=["tasks.>"])
    await by_hand.add_consumer("TASKS", durable_name="worker-1", ack_policy="explicit")
    for number in range(5):
        await publish("tasks.processing", b"%d" % number)

    pulled = await by_hand.pull_subscribe_bind("worker-1", "TASKS")
    messages = await pulled.fetch(3, timeout=5)

    assert [(message.data, message.metadata.num_delivered) for message in messages] == [(b"0", 1), (b"1", 1), (b"2", 1)]
    for message in messages:
        await message.ack_sync()
    await pulled.unsubscribe()
    info = await by_hand.consumer_info("TASKS", "worker-1")
    assert info.ack_floor
    assert (info.ack_floor.stream_seq, info.num_ack_pending, info.num_pending) == (3, 0, 2)
