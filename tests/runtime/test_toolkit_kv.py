"""Key-value buckets, on a real server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import nats.errors
import pytest
from nats.js import JetStreamContext
from nats.js.errors import BucketNotFoundError, KeyNotFoundError, KeyWrongLastSequenceError, NotFoundError
from nats.js.kv import KeyValue

from natsgen.harness.nats_server import NatsServer
from src.config import Settings
from src.infrastructure.errors import NotConnected
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.nats_internals import flush
from src.infrastructure.publishing import publish_over
from src.infrastructure.subscription import Subscription
from src.requests.nats import Nats
from src.toolkit.kv import Bucket, key_for
from tests.harness_tools.tcp_proxy import TcpProxy

LIMIT = 20.0  # seconds


@pytest.fixture
def bucket(own_nats: Nats) -> Bucket:
    return Bucket("settings")


async def put(bucket: Bucket, key: str, value: bytes) -> int:
    return await (await bucket.open()).put(key, value)


async def keys_of(bucket: Bucket) -> list[str]:
    return [key async for key in bucket.keys(">")]


async def test_kv_put_get_delete(bucket: Bucket) -> None:
    opened = await bucket.open()
    revision = await opened.put("database.host", b"localhost")

    entry = await opened.get("database.host")
    assert (entry.key, entry.value, entry.revision) == ("database.host", b"localhost", revision)
    await opened.delete("database.host")
    with pytest.raises(KeyNotFoundError):
        await opened.get("database.host")
    await opened.delete("never")


async def test_reading_leaves_nothing_behind_on_the_connection(bucket: Bucket, client: NatsClient) -> None:
    await put(bucket, "a", b"1")
    before = set(client.listeners)

    assert await keys_of(bucket) == ["a"]
    assert client.listeners == before


async def test_kv_revisions(bucket: Bucket) -> None:
    opened = await bucket.open()
    first = await opened.create("a", b"1")
    other = await opened.put("b", b"1")
    second = await opened.update("a", b"2", first)

    assert first < other < second
    with pytest.raises(KeyWrongLastSequenceError):
        await opened.update("a", b"3", first)
    with pytest.raises(KeyWrongLastSequenceError):
        await opened.create("a", b"3")
    assert (await opened.get("a")).value == b"2"


async def test_kv_one_of_many_wins_a_compare_and_set(own_nats: Nats) -> None:
    counter = await Bucket("counter").open()
    await counter.create("n", b"0")

    async def add() -> None:
        while True:
            entry = await counter.get("n")
            try:
                await counter.update("n", b"%d" % (int(entry.value or b"") + 1), entry.revision)
                return
            except KeyWrongLastSequenceError:
                continue

    await asyncio.gather(*(add() for _ in range(20)))

    assert (await counter.get("n")).value == b"20"


async def test_kv_history(own_nats: Nats) -> None:
    opened = await Bucket("settings", history=3).open()
    for value in range(4):
        await opened.put("a", b"%d" % value)
    await opened.put("b", b"9")
    await opened.delete("a")

    kept = await opened.history("a")

    assert [(entry.value, entry.operation) for entry in kept] == [(b"2", None), (b"3", None), (b"", "DEL")]


async def test_kv_keys(bucket: Bucket) -> None:
    assert await keys_of(bucket) == []
    for key in ("database.host", "database.port", "cache"):
        await put(bucket, key, b"1")
    await (await bucket.open()).delete("cache")

    assert await keys_of(bucket) == ["database.host", "database.port"]
    assert [key async for key in bucket.keys("*.port")] == ["database.port"]
    assert [key async for key in bucket.keys("cache.>")] == []


async def test_kv_100_000_keys(own_nats: Nats, client: NatsClient) -> None:
    bucket = Bucket("many", storage="memory")
    await put(bucket, "first", b"0")
    for number in range(100_000):
        await client.client.publish(f"$KV.many.item.{number}", b"x")
        if number % 1000 == 0:
            await flush(client.client)
    await flush(client.client)

    began = time.process_time()
    count = len({key async for key in bucket.keys("item.*")})

    assert count == 100_000
    assert time.process_time() - began < 60, "in a time that grows with their number"
    assert len(client.client._subs) <= 2  # nothing of the listing is left; a request's own answers are one


async def test_kv_ttl_of_a_key(own_nats: Nats) -> None:
    """And of all keys of a bucket."""
    bucket, all_of_it = Bucket("settings", limit_marker_ttl=60), Bucket("sessions", ttl=1)
    opened = await bucket.open()
    await put(all_of_it, "a", b"1")
    await opened.create("short", b"1", msg_ttl=1)
    await opened.put("long", b"1")
    changes = bucket.watch("short")

    assert await following(changes, 2) == [("short", b"1", None), ("short", b"", "DEL")]
    await changes.aclose()
    assert await keys_of(bucket) == ["long"]
    async with asyncio.timeout(LIMIT):
        while await keys_of(all_of_it):  # noqa: ASYNC110 (the server ends it)
            await asyncio.sleep(0.1)


async def test_kv_watch(bucket: Bucket) -> None:
    await put(bucket, "colours.red", b"1")
    await put(bucket, "other", b"1")
    changes = bucket.watch("colours.*")

    assert await following(changes, 1) == [("colours.red", b"1", None)]
    await put(bucket, "colours.blue", b"2")
    await put(bucket, "other", b"2")
    await (await bucket.open()).delete("colours.red")
    assert await following(changes, 2) == [("colours.blue", b"2", None), ("colours.red", b"", "DEL")]
    await changes.aclose()
    await consumers(bucket, 0)  # nothing is left on the server


async def test_kv_watch_survives_a_restart_of_the_server(
    bucket: Bucket, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And does not wait for the silence to be noticed."""
    monkeypatch.setattr("src.infrastructure.pull_consumer.PullConsumer.HEARTBEAT", 14.0)
    await put(bucket, "a", b"1")
    changes = bucket.watch()
    assert await following(changes, 1) == [("a", b"1", None)]
    pending = asyncio.ensure_future(following(changes, 2))

    await asyncio.to_thread(nats_server.restart)
    await persistently(lambda: put(bucket, "a", b"2"))
    await persistently(lambda: put(bucket, "b", b"3"))

    assert await pending == [("a", b"2", None), ("b", b"3", None)]
    await changes.aclose()


async def test_kv_watch_goes_on_when_its_consumer_is_deleted(bucket: Bucket, jetstream: JetStreamContext) -> None:
    await put(bucket, "a", b"1")
    changes = bucket.watch()
    assert await following(changes, 1) == [("a", b"1", None)]
    pending = asyncio.ensure_future(following(changes, 1))
    [consumer] = await consumers(bucket, 1)

    await jetstream.delete_consumer("KV_settings", consumer)
    await put(bucket, "a", b"2")

    assert await pending == [("a", b"2", None)]
    await changes.aclose()


async def test_kv_watch_begins_anew_in_a_bucket_made_anew(bucket: Bucket, jetstream: JetStreamContext) -> None:
    await put(bucket, "a", b"1")
    await put(bucket, "a", b"2")
    changes = bucket.watch()
    assert await following(changes, 1) == [("a", b"2", None)]
    pending = asyncio.ensure_future(following(changes, 1))

    await jetstream.delete_key_value("settings")
    await put(bucket, "a", b"3")

    assert await pending == [("a", b"3", None)]
    await changes.aclose()


async def test_kv_watch_survives_a_link_that_is_dead_in_both_directions(proxied: tuple[Nats, TcpProxy]) -> None:
    _, proxy = proxied
    bucket = Bucket("settings")
    await put(bucket, "a", b"1")
    changes = bucket.watch()
    assert await following(changes, 1) == [("a", b"1", None)]
    pending = asyncio.ensure_future(following(changes, 1))

    proxy.abandon()
    await persistently(lambda: put(bucket, "a", b"2"))

    assert await pending == [("a", b"2", None)]
    await changes.aclose()


@pytest.mark.parametrize("mode", ["verify", "off"])
async def test_kv_no_bucket_is_made_where_that_is_not_allowed(service_settings: Settings, mode: str) -> None:
    connection = NatsClient(service_settings.model_copy(update={"STREAM_MODE": mode}))
    await connection.connect()
    publish_over(connection)

    with pytest.raises(BucketNotFoundError):
        await Bucket("settings").open()
    with pytest.raises(NotFoundError):
        await connection.jetstream.stream_info("KV_settings")
    publish_over(None)
    await connection.close()


async def test_kv_any_text_has_a_key(bucket: Bucket) -> None:
    opened = await bucket.open()
    for text in ("", "a b", ">", "\u00e9", "a\r\nPUB x 0", "a" * 10_000):
        await opened.put(key_for(text), text.encode())

    assert len(await keys_of(bucket)) == 6


async def test_kv_without_a_connection_says_so(
    bucket: Bucket, client: NatsClient, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("src.toolkit.connection.CONNECT_LIMIT", 0.1)
    await bucket.open()
    await asyncio.to_thread(nats_server.kill)

    async with asyncio.timeout(LIMIT):
        while client.connected:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    with pytest.raises(NotConnected, match="bucket settings: not connected to NATS"):
        await bucket.open()


async def test_kv_in_a_handler_goes_over_the_workers_connection(run_worker: Any, jetstream: JetStreamContext) -> None:
    seen = Bucket("seen")  # as a handler file has it: at its top, before there is a worker
    with pytest.raises(RuntimeError, match="no worker runs"):
        await seen.open()

    async def handle(event: dict[str, int]) -> None:
        await put(seen, f"event.{event['n']}", b"%d" % event["n"])

    async with run_worker(
        Subscription(handler="tested", subject="integration.order.created", function=handle)
    ) as worker:
        await jetstream.publish("integration.order.created", b'{"n": 7}')
        changes = seen.watch()
        assert await following(changes, 1) == [("event.7", b"7", None)]
        await changes.aclose()
        assert not worker.runners[0].metrics.values()["retried"]


async def consumers(bucket: Bucket, count: int) -> list[str]:
    """The names of the consumers on the bucket's stream, once there are so many."""
    jetstream: Any = (await bucket.open())._js
    async with asyncio.timeout(LIMIT):
        while len(found := await jetstream.consumers_info(f"KV_{bucket.name}")) != count:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return [info.name for info in found]


async def following(changes: AsyncIterator[KeyValue.Entry], count: int) -> list[tuple[str, bytes | None, str | None]]:
    async with asyncio.timeout(LIMIT):
        found = [await anext(changes) for _ in range(count)]
    return [(entry.key, entry.value, entry.operation) for entry in found]


async def persistently(attempt: Any) -> None:
    """Has something done that may fail while a server or a bucket is away."""
    async with asyncio.timeout(LIMIT):
        while True:
            try:
                await attempt()
                return
            except (nats.errors.Error, NotConnected, OSError):
                await asyncio.sleep(0.1)
