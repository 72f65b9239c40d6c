"""Key-value buckets, on a real server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from pydantic import BaseModel

from natsgen.harness.nats_server import NatsServer
from src.config import Settings
from src.infrastructure.errors import TooLarge
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.publishing import publish_over
from src.infrastructure.subscription import Subscription
from src.requests.nats import Nats
from src.toolkit.errors import (
    InvalidName,
    InvalidValue,
    KeyExists,
    KeyMissing,
    Missing,
    Refused,
    ToolkitError,
    Unavailable,
    WrongRevision,
)
from src.toolkit.kv import Bucket, Entry
from tests.harness_tools.tcp_proxy import TcpProxy

LIMIT = 20.0  # seconds


class Colour(BaseModel):
    name: str
    depth: int = 8


@pytest.fixture
def bucket(own_nats: Nats) -> Bucket:
    return Bucket("settings")


async def test_kv_put_get_delete(bucket: Bucket) -> None:
    before = datetime.now(UTC)
    revision = await bucket.put("database.host", "localhost")

    entry = await bucket.get("database.host")
    assert (entry.key, entry.value, entry.data, entry.revision) == (
        "database.host",
        "localhost",
        b"localhost",
        revision,
    )
    assert timedelta(seconds=-1) < entry.created - before < timedelta(seconds=5)

    await bucket.delete("database.host")
    with pytest.raises(KeyMissing, match=r"no key database\.host"):
        await bucket.get("database.host")
    assert await bucket.get("database.host", None) is None
    assert await bucket.get("never", default="x") == "x"
    await bucket.delete("never")


@pytest.mark.parametrize(
    ("model", "given", "kept", "read"),
    [
        (None, b"\xff\x00", b"\xff\x00", b"\xff\x00"),
        (None, "text", b"text", "text"),
        (None, {"a": [1]}, b'{"a":[1]}', {"a": [1]}),
        (None, b"", b"", b""),
        (str, "42", b"42", "42"),
        (bytes, b"42", b"42", b"42"),
        (int, 42, b"42", 42),
        (list[int], [1, 2], b"[1,2]", [1, 2]),
        (Colour, Colour(name="red"), b'{"name":"red","depth":8}', Colour(name="red")),
        (bytes, bytes(1_000_000), bytes(1_000_000), bytes(1_000_000)),
    ],
    ids=["binary", "text", "json", "empty", "str", "bytes", "int", "list", "model", "1 MB"],
)
async def test_kv_values_come_back_as_they_were(own_nats: Nats, model: Any, given: Any, kept: bytes, read: Any) -> None:
    bucket = Bucket("settings", model)

    await bucket.put("key", given)

    entry = await bucket.get("key")
    assert (entry.data, entry.value) == (kept, read if read != b"" else "")


async def test_kv_a_value_that_does_not_fit_its_model_says_so(own_nats: Nats, bucket: Bucket) -> None:
    await bucket.put("key", {"depth": "deep"})

    with pytest.raises(InvalidValue, match="bucket settings: key at revision 1"):
        await Bucket("settings", Colour).get("key")


async def test_kv_revisions(bucket: Bucket) -> None:
    first = await bucket.create("a", 1)
    other = await bucket.put("b", 1)
    second = await bucket.update("a", 2, first)

    assert first < other < second
    with pytest.raises(WrongRevision, match="a: wrong last sequence"):
        await bucket.update("a", 3, first)
    with pytest.raises(WrongRevision):
        await bucket.delete("a", first)
    assert (await bucket.get("a")).value == 2
    await bucket.delete("a", second)


async def test_kv_create_is_for_keys_without_a_value(bucket: Bucket) -> None:
    await bucket.create("a", 1)
    with pytest.raises(KeyExists, match="a has a value"):
        await bucket.create("a", 2)

    await bucket.delete("a")
    await bucket.create("a", 3)
    await bucket.purge("a")
    await bucket.create("a", 4)

    assert (await bucket.get("a")).value == 4


async def test_kv_one_of_many_wins_a_compare_and_set(own_nats: Nats) -> None:
    counter = Bucket("counter", int)
    await counter.create("n", 0)

    async def add() -> None:
        while True:
            entry = await counter.get("n")
            try:
                await counter.update("n", entry.value + 1, entry.revision)
                return
            except WrongRevision:
                continue

    await asyncio.gather(*(add() for _ in range(20)))

    assert (await counter.get("n")).value == 20


async def test_kv_history(own_nats: Nats) -> None:
    bucket = Bucket("settings", int, history=3)
    for value in range(4):
        await bucket.put("a", value)
    await bucket.put("b", 9)
    await bucket.delete("a")

    kept = await bucket.history("a")

    assert [(entry.value, entry.deleted) for entry in kept] == [(2, False), (3, False), (None, True)]
    assert await bucket.history("never") == []
    await bucket.purge("a")
    assert [entry.deleted for entry in await bucket.history("a")] == [True]


async def test_kv_keys(bucket: Bucket) -> None:
    assert [key async for key in bucket] == []
    for key in ("database.host", "database.port", "cache"):
        await bucket.put(key, 1)
    await bucket.delete("cache")

    assert [key async for key in bucket] == ["database.host", "database.port"]
    assert [key async for key in bucket.keys("*.port")] == ["database.port"]
    assert [key async for key in bucket.keys("cache.>")] == []


async def test_kv_100_000_keys(own_nats: Nats, client: NatsClient) -> None:
    bucket = Bucket("many", storage="memory")
    await bucket.put("first", 0)
    for number in range(100_000):
        await client.client.publish(f"$KV.many.item.{number}", b"x")
        if number % 1000 == 0:
            await client.client.flush()
    await client.client.flush()

    began = time.monotonic()
    count = len({key async for key in bucket.keys("item.*")})

    assert count == 100_000
    assert time.monotonic() - began < 60
    assert len(client.client._subs) <= 2  # nothing of the listing is left; a request's own answers are one


async def test_kv_ttl_of_a_bucket(own_nats: Nats) -> None:
    bucket = Bucket("sessions", ttl=1)
    await bucket.put("a", 1)

    await gone(bucket, "a")


async def test_kv_ttl_of_a_key(bucket: Bucket) -> None:
    await bucket.put("short", 1, ttl=1)
    await bucket.create("made", 1, ttl=0.5 + 0.5)
    await bucket.put("long", 1)

    await gone(bucket, "short")
    await gone(bucket, "made")
    assert (await bucket.get("long")).value == 1
    with pytest.raises(ValueError, match=r"ttl is 0\.5; it takes seconds, 1 or more"):
        await bucket.put("a", 1, ttl=0.5)


async def test_kv_ttl_of_a_key_brings_no_older_value_to_light(own_nats: Nats) -> None:
    bucket = Bucket("settings", history=5)
    await bucket.put("a", "old")

    with pytest.raises(Refused, match="only `create`"):
        await bucket.put("a", "new", ttl=1)
    await bucket.delete("a")
    await bucket.create("a", "new", ttl=1)

    await gone(bucket, "a")


async def test_kv_ttl_where_the_bucket_cannot_is_refused(own_nats: Nats, jetstream: JetStreamContext) -> None:
    await jetstream.add_stream(name="KV_old", subjects=["$KV.old.>"], max_msgs_per_subject=1, allow_rollup_hdrs=True)

    with pytest.raises(Refused, match=r"nats-server 2\.11"):
        await Bucket("old").put("a", 1, ttl=5)


async def test_kv_watch(bucket: Bucket) -> None:
    await bucket.put("colours.red", 1)
    await bucket.put("other", 1)
    changes = bucket.watch("colours.*")

    assert await following(changes, 1) == [("colours.red", 1, False)]
    await bucket.put("colours.blue", 2)
    await bucket.put("other", 2)
    await bucket.delete("colours.red")
    assert await following(changes, 2) == [("colours.blue", 2, False), ("colours.red", None, True)]
    await changes.aclose()


async def test_kv_watch_of_what_is_new(bucket: Bucket) -> None:
    await bucket.put("a", 1)
    changes = bucket.watch(only_new=True)
    pending = asyncio.ensure_future(anext(changes))
    await consumers(bucket, 1)

    await bucket.put("a", 2)

    async with asyncio.timeout(LIMIT):
        assert (await pending).value == 2
    await changes.aclose()


async def test_kv_watch_tells_what_expired(own_nats: Nats) -> None:
    bucket = Bucket("settings", expired=60)
    await bucket.put("a", 1, ttl=1)
    changes = bucket.watch()

    assert await following(changes, 2) == [("a", 1, False), ("a", None, True)]
    assert await bucket.get("a", None) is None
    assert [key async for key in bucket] == []
    await bucket.create("a", 2)
    await changes.aclose()


async def test_kv_watch_survives_a_restart_of_the_server(
    bucket: Bucket, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And does not wait for the silence to be noticed."""
    monkeypatch.setattr("src.infrastructure.pull_consumer.PullConsumer.HEARTBEAT", 14.0)
    await bucket.put("a", 1)
    changes = bucket.watch()
    assert await following(changes, 1) == [("a", 1, False)]
    pending = asyncio.ensure_future(following(changes, 2))

    await asyncio.to_thread(nats_server.restart)
    await persistently(lambda: bucket.put("a", 2))
    await persistently(lambda: bucket.put("b", 3))

    assert await pending == [("a", 2, False), ("b", 3, False)]
    await changes.aclose()


async def test_kv_watch_survives_another_client_in_the_place_of_its_own(bucket: Bucket, client: NatsClient) -> None:
    await bucket.put("a", 1)
    changes = bucket.watch()
    assert await following(changes, 1) == [("a", 1, False)]
    pending = asyncio.ensure_future(following(changes, 1))
    await asyncio.sleep(0)

    before = client.client
    await before.close()
    async with asyncio.timeout(LIMIT):
        while client.client is before or not client.connected:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await bucket.put("a", 2)

    assert await pending == [("a", 2, False)]
    await changes.aclose()


async def test_kv_watch_goes_on_when_its_consumer_is_deleted(bucket: Bucket, jetstream: JetStreamContext) -> None:
    await bucket.put("a", 1)
    changes = bucket.watch()
    assert await following(changes, 1) == [("a", 1, False)]
    pending = asyncio.ensure_future(following(changes, 1))
    [consumer] = await consumers(bucket, 1)

    await jetstream.delete_consumer("KV_settings", consumer)
    await bucket.put("a", 2)

    assert await pending == [("a", 2, False)]
    await changes.aclose()


async def test_kv_watch_begins_anew_in_a_bucket_made_anew(bucket: Bucket, jetstream: JetStreamContext) -> None:
    await bucket.put("a", 1)
    await bucket.put("a", 2)
    changes = bucket.watch()
    assert await following(changes, 1) == [("a", 2, False)]
    pending = asyncio.ensure_future(following(changes, 1))

    await jetstream.delete_key_value("settings")
    await persistently(lambda: bucket.put("a", 3))

    assert await pending == [("a", 3, False)]
    await changes.aclose()


async def test_kv_a_watch_that_ends_leaves_nothing_on_the_server(bucket: Bucket) -> None:
    changes = bucket.watch()
    await bucket.put("a", 1)
    await following(changes, 1)
    await consumers(bucket, 1)

    await changes.aclose()

    await consumers(bucket, 0)


async def test_kv_a_bucket_that_is_away_is_made_again(bucket: Bucket, jetstream: JetStreamContext) -> None:
    await bucket.put("a", 1)
    await jetstream.delete_key_value("settings")

    with pytest.raises(Missing):
        await bucket.get("a")
    await bucket.put("a", 2)
    assert (await bucket.get("a")).value == 2


@pytest.mark.parametrize("mode", ["verify", "off"])
async def test_kv_no_bucket_is_made_where_that_is_not_allowed(service_settings: Settings, mode: str) -> None:
    connection = NatsClient(service_settings.model_copy(update={"STREAM_MODE": mode}))
    await connection.connect()
    publish_over(connection)

    with pytest.raises(Missing, match=f"bucket settings is not there, and STREAM_MODE={mode} makes none"):
        await Bucket("settings").put("a", 1)
    with pytest.raises(NotFoundError):
        await connection.jetstream.stream_info("KV_settings")
    publish_over(None)
    await connection.close()


async def test_kv_is_that_of_every_nats_client(bucket: Bucket, jetstream: JetStreamContext) -> None:
    await bucket.put("ours", "x")
    theirs = await jetstream.key_value("settings")
    await theirs.put("theirs", b"y")

    assert (await theirs.get("ours")).value == b"x"
    assert (await bucket.get("theirs")).value == "y"
    await theirs.delete("theirs")
    assert await bucket.get("theirs", None) is None
    assert [key async for key in bucket] == ["ours"]


async def test_kv_limits_are_said(own_nats: Nats) -> None:
    small = Bucket("small", max_bytes=2000)
    with pytest.raises(Refused, match="maximum bytes exceeded"):
        await small.put("a", bytes(3000))
    with pytest.raises(TooLarge, match=r"server takes 1048576 .* object store"):
        await small.put("a", bytes(2_000_000))


@pytest.mark.parametrize("key", ["", ".a", "a.", "a..b", "a b", "*", ">", "a.>", "\u00e9", "a\r\nPUB x 0", "a" * 1025])
async def test_kv_a_key_that_cannot_be_is_refused(bucket: Bucket, key: str) -> None:
    for attempt in (bucket.get(key), bucket.put(key, 1), bucket.delete(key), bucket.history(key)):
        with pytest.raises(InvalidName):
            await attempt


@pytest.mark.parametrize("match", ["", "a..b", "a b", ">.a", "a\r\n"])
async def test_kv_a_pattern_that_cannot_be_is_refused(bucket: Bucket, match: str) -> None:
    with pytest.raises(InvalidName):
        await anext(bucket.keys(match))


@pytest.mark.parametrize("name", ["", "a.b", "a b", "../x", "*", "a" * 129])
def test_kv_a_bucket_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(InvalidName, match="letters, digits, _ and -"):
        Bucket(name)


async def test_kv_without_an_answer_is_unavailable(
    proxied: tuple[Nats, TcpProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NatsClient, "PUBLISH_TIMEOUT", 0.3)
    _, proxy = proxied
    bucket = Bucket("settings")
    await bucket.put("a", 1)
    proxy.stall()

    with pytest.raises(Unavailable, match="bucket settings"):
        await bucket.put("a", 2)


async def test_kv_watch_survives_a_link_that_is_dead_in_both_directions(proxied: tuple[Nats, TcpProxy]) -> None:
    _, proxy = proxied
    bucket = Bucket("settings")
    await bucket.put("a", 1)
    changes = bucket.watch()
    assert await following(changes, 1) == [("a", 1, False)]
    pending = asyncio.ensure_future(following(changes, 1))

    proxy.abandon()
    await persistently(lambda: bucket.put("a", 2))

    assert await pending == [("a", 2, False)]
    await changes.aclose()


async def test_kv_without_a_connection_is_unavailable(
    bucket: Bucket, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("src.toolkit.connection.CONNECT_LIMIT", 0.1)
    await bucket.put("a", 1)
    await asyncio.to_thread(nats_server.kill)

    async with asyncio.timeout(LIMIT):
        while bucket._backing._connection and bucket._backing._connection.connected:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    with pytest.raises(Unavailable, match="bucket settings: not connected to NATS"):
        await bucket.get("a")


async def test_kv_in_a_handler_goes_over_the_workers_connection(run_worker: Any, jetstream: JetStreamContext) -> None:
    seen = Bucket("seen", int)  # as a handler file has it: at its top, before there is a worker
    with pytest.raises(RuntimeError, match="no worker runs"):
        await seen.put("a", 1)

    async def handle(event: dict[str, int]) -> None:
        await seen.put(f"event.{event['n']}", event["n"])

    async with run_worker(
        Subscription(handler="tested", subject="integration.order.created", function=handle)
    ) as worker:
        await jetstream.publish("integration.order.created", b'{"n": 7}')
        changes = seen.watch()
        assert await following(changes, 1) == [("event.7", 7, False)]
        await changes.aclose()
        assert not worker.runners[0].metrics.values()["retried"]


async def gone(bucket: Bucket, key: str) -> None:
    async with asyncio.timeout(LIMIT):
        while await bucket.get(key, None) is not None:  # noqa: ASYNC110 (the server ends it)
            await asyncio.sleep(0.1)


async def consumers(bucket: Bucket, count: int) -> list[str]:
    """The names of the consumers on the bucket's stream, once there are so many."""
    async with asyncio.timeout(LIMIT):
        while True:
            async with bucket._backing.opened() as connection:
                found = await connection.jetstream.consumers_info(f"KV_{bucket.name}")
            if len(found) == count:
                return [info.name for info in found]
            await asyncio.sleep(0.05)


async def following(changes: AsyncIterator[Entry[Any]], count: int) -> list[tuple[str, Any, bool]]:
    async with asyncio.timeout(LIMIT):
        found = [await anext(changes) for _ in range(count)]
    return [(entry.key, entry.value, entry.deleted) for entry in found]


async def persistently(attempt: Any) -> None:
    """Has something done that may fail while a server or a bucket is away."""
    async with asyncio.timeout(LIMIT):
        while True:
            try:
                await attempt()
                return
            except (ToolkitError, OSError):
                await asyncio.sleep(0.1)
