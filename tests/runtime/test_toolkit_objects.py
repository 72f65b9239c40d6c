"""Object stores, on a real server."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from nats.js import JetStreamContext
from nats.js.api import ObjectMeta

from natsgen.harness.nats_server import NatsServer
from src.config import Settings
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.publishing import publish_over
from src.requests.nats import Nats
from src.toolkit.errors import Damaged, InvalidName, Missing, ObjectMissing, Refused, Unavailable
from src.toolkit.object_content import PART
from src.toolkit.objects import Store
from tests.harness_tools.tcp_proxy import TcpProxy
from tests.runtime.conftest import SERVICE

WHOLE = bytes(range(256)) * 2_000  # four parts


@pytest.fixture
def store(own_nats: Nats) -> Store:
    return Store("documents")


async def pieces(*sizes: int) -> AsyncIterator[bytes]:
    start = 0
    for size in sizes:
        yield WHOLE[start : start + size]
        start += size


@pytest.mark.parametrize(
    "content", [b"", b"x", WHOLE, bytes(PART), bytes(PART + 1)], ids=["empty", "small", "in parts", "one part", "more"]
)
async def test_object_put_get_delete(store: Store, content: bytes) -> None:
    put = await store.put("reports/q4.pdf", content)

    assert put.size == len(content)
    assert await store.get("reports/q4.pdf") == content
    await store.delete("reports/q4.pdf")
    with pytest.raises(ObjectMissing, match=r"no object 'reports/q4\.pdf'"):
        await store.get("reports/q4.pdf")
    await store.delete("reports/q4.pdf")


@pytest.mark.parametrize("kind", ["path", "file", "iterator", "one large piece"])
async def test_object_put_from_anything(store: Store, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "content"
    path.write_bytes(WHOLE)
    sources: dict[str, Any] = {
        "path": path,
        "file": io.BytesIO(WHOLE),
        "iterator": pieces(1, 0, PART - 1, PART + 7, 3, len(WHOLE)),
        "one large piece": pieces(len(WHOLE)),
    }

    info = await store.put("a", sources[kind])

    assert (info.size, info.parts) == (len(WHOLE), 4)
    assert await store.get("a") == WHOLE


@pytest.mark.parametrize("source", ["text", 7, io.StringIO("text"), None])
async def test_object_put_of_what_is_no_bytes_is_refused(store: Store, source: Any) -> None:
    with pytest.raises(TypeError, match="an object is made of bytes"):
        await store.put("a", source)


async def test_object_list(store: Store) -> None:
    assert [info async for info in store.list()] == []
    for name in ("a", "b", "\u00fcn\u00efcode / ../x"):
        await store.put(name, name.encode())
    await store.put("b", b"once more")
    await store.delete("a")

    assert {info.name: info.size async for info in store.list()} == {"b": 9, "\u00fcn\u00efcode / ../x": 16}


async def test_object_metadata(store: Store) -> None:
    before = datetime.now(UTC)
    await store.put("a", WHOLE, description="fourth", metadata={"by": "Ada"}, headers={"Content-Type": "text/plain"})

    info = await store.info("a")

    assert (info.name, info.size, info.parts) == ("a", len(WHOLE), 4)
    assert (info.description, info.metadata, info.headers) == ("fourth", {"by": "Ada"}, {"Content-Type": "text/plain"})
    assert info.digest.startswith("SHA-256=")
    assert timedelta(seconds=-1) < info.modified - before < timedelta(seconds=5)
    assert [listed async for listed in store.list()] == [info]


async def test_object_is_replaced_and_leaves_nothing_behind(store: Store, jetstream: JetStreamContext) -> None:
    await store.put("a", WHOLE)
    await store.put("a", b"new")

    assert await store.get("a") == b"new"
    assert (await jetstream.stream_info("OBJ_documents")).state.messages == 2  # one part, and what is told of it
    await store.delete("a")
    assert (await jetstream.stream_info("OBJ_documents")).state.messages == 1


async def test_object_that_could_not_be_read_to_its_end_is_not_there(store: Store, jetstream: JetStreamContext) -> None:
    await store.put("a", b"old")

    async def breaking() -> AsyncIterator[bytes]:
        yield WHOLE
        raise FileNotFoundError("gone")

    with pytest.raises(FileNotFoundError, match="gone"):
        await store.put("a", breaking())

    assert await store.get("a") == b"old"
    assert (await jetstream.stream_info("OBJ_documents")).state.messages == 2


async def test_object_put_that_is_cancelled_leaves_nothing_behind(store: Store, jetstream: JetStreamContext) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield WHOLE
        begun.set()
        await asyncio.Event().wait()

    putting = asyncio.create_task(store.put("a", endless()))
    await begun.wait()
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting

    assert (await jetstream.stream_info("OBJ_documents")).state.messages == 0


async def test_object_get_to_a_file(store: Store, tmp_path: Path) -> None:
    await store.put("a", WHOLE)
    (tmp_path / "there").mkdir()
    path = tmp_path / "there" / "content"
    path.write_bytes(b"before")

    info = await store.get_to("a", path)

    assert info.size == len(WHOLE)
    assert path.read_bytes() == WHOLE
    assert list(path.parent.iterdir()) == [path]


async def test_object_damaged_leaves_the_file_as_it_was(
    store: Store, tmp_path: Path, jetstream: JetStreamContext
) -> None:
    await store.put("gone", WHOLE)
    await jetstream.purge_stream("OBJ_documents", subject="$O.documents.C.>", keep=2)
    (tmp_path / "there").mkdir()
    path = tmp_path / "there" / "content"
    path.write_bytes(b"before")

    with pytest.raises(Damaged, match="a part of 'gone' is gone"):
        await store.get_to("gone", path)
    with pytest.raises(Damaged):
        await store.get("gone")

    assert path.read_bytes() == b"before"
    assert list(path.parent.iterdir()) == [path]


async def test_object_with_another_digest_is_damaged(store: Store, jetstream: JetStreamContext) -> None:
    await store.put("a", b"content")
    told = await jetstream.get_msg("OBJ_documents", 2)
    kept = json.loads(told.data or b"") | {"digest": "SHA-256=" + "A" * 43 + "="}
    await jetstream.publish(str(told.subject), json.dumps(kept).encode(), headers={"Nats-Rollup": "sub"})

    with pytest.raises(Damaged, match="not what was put there"):
        await store.get("a")


async def test_object_is_that_of_every_nats_client(store: Store, jetstream: JetStreamContext) -> None:
    await store.put("ours", WHOLE, description="from here", headers={"a": "b"})
    theirs = await jetstream.object_store("documents")
    await theirs.put("theirs", WHOLE, meta=ObjectMeta(description="from there", headers={"c": ["d"]}))

    found = await theirs.get("ours")
    assert (found.data, found.info.description, found.info.headers) == (WHOLE, "from here", {"a": ["b"]})
    assert await store.get("theirs") == WHOLE
    assert (await store.info("theirs")).headers == {"c": "d"}
    await theirs.delete("ours")
    assert [info.name async for info in store.list()] == ["theirs"]


async def test_object_limits_are_said(own_nats: Nats) -> None:
    small = Store("small", max_bytes=200_000)
    with pytest.raises(Refused, match="maximum bytes exceeded"):
        await small.put("a", WHOLE)
    assert [info async for info in small.list()] == []


@pytest.mark.parametrize("name", ["", "\ud800", "x" * 1025, "\u00e9" * 513])
async def test_object_a_name_that_cannot_be_is_refused(store: Store, name: str) -> None:
    for attempt in (store.get(name), store.put(name, b""), store.delete(name)):
        with pytest.raises(InvalidName, match="1 to 1024 bytes"):
            await attempt


@pytest.mark.parametrize("name", ["*", ">", "a.b.c", "\r\nPUB x 0", "../../etc/passwd", "x" * 1024, "\U0001f600"])
async def test_object_a_name_may_be_any_text(store: Store, name: str) -> None:
    await store.put(name, b"x")
    assert await store.get(name) == b"x"
    assert [info.name async for info in store.list()] == [name]


async def test_object_no_store_is_made_where_that_is_not_allowed(service_settings: Settings) -> None:
    connection = NatsClient(service_settings.model_copy(update={"STREAM_MODE": "verify"}))
    await connection.connect()
    publish_over(connection)

    with pytest.raises(Missing, match="store documents is not there, and STREAM_MODE=verify makes none"):
        await Store("documents").put("a", b"")
    publish_over(None)
    await connection.close()


async def test_object_put_and_get_survive_a_lost_connection(proxied: tuple[Nats, TcpProxy]) -> None:
    _, proxy = proxied
    store = Store("documents")

    async def cutting() -> AsyncIterator[bytes]:
        for number in range(24):
            if number == 8:
                proxy.cut()
            yield WHOLE[:PART]

    await store.put("a", cutting())
    content = b""
    async for part in store.parts("a"):
        content += part
        if len(content) == 4 * PART:
            proxy.cut()

    assert content == WHOLE[:PART] * 24


async def test_object_without_an_answer_is_unavailable(
    proxied: tuple[Nats, TcpProxy],
) -> None:
    _, proxy = proxied
    store = Store("documents")
    await store.put("a", b"x")
    proxy.stall()

    with pytest.raises(Unavailable, match="store documents"):
        await store.get("a")


async def test_object_whose_last_confirmation_is_lost_is_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its description points to is not taken for the rest of an object that could not be put."""
    monkeypatch.setattr("src.infrastructure.publishing.RETRY_FOR", 0.1)
    await store.put("a", b"old")
    publish = NatsClient.publish

    async def loses_confirmations(self: NatsClient, subject: str, data: bytes, headers: dict[str, str]) -> Any:
        ack = await publish(self, subject, data, headers)
        if ".M." in subject:
            raise TimeoutError
        return ack

    with monkeypatch.context() as lossy:
        lossy.setattr(NatsClient, "publish", loses_confirmations)
        with suppress(Unavailable, TimeoutError):
            await store.put("a", WHOLE)

    assert await store.get("a") == WHOLE


STREAMING = """
import asyncio, hashlib, json, sys
from pathlib import Path

def held(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024

from src.config import settings
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.publishing import publish_over
from src.toolkit.objects import Store

async def main():
    folder, url = Path(sys.argv[1]), sys.argv[2]
    connection = NatsClient(settings.model_copy(update={"NATS_URL": url}))
    await connection.connect()
    publish_over(connection)
    store = Store("large")
    idle = held("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    clock = asyncio.get_running_loop().time
    began = clock()
    put = await store.put("object", folder / "source")
    put_seconds, put_peak = clock() - began, held("VmHWM") - idle
    Path("/proc/self/clear_refs").write_text("5")
    began = clock()
    await store.get_to("object", folder / "copy")
    got_seconds, got_peak = clock() - began, held("VmHWM") - idle
    await connection.close()
    print(json.dumps({"idle": idle, "put_peak": put_peak, "got_peak": got_peak, "put_seconds": put_seconds,
                      "got_seconds": got_seconds, "size": put.size}))

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
async def test_object_of_100_mb_takes_little_memory(nats_server: NatsServer, tmp_path: Path) -> None:
    content = b"".join(hashlib.sha256(str(number).encode()).digest() for number in range(32_768))
    with (tmp_path / "source").open("wb") as file:
        for _ in range(100):
            file.write(content)

    run = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", STREAMING, str(tmp_path), nats_server.url],
        cwd=SERVICE,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert run.returncode == 0, run.stderr
    measured = json.loads(run.stdout.splitlines()[-1])
    print(measured)
    assert measured["size"] == 100 * len(content)
    assert measured["put_peak"] < 64  # MiB above idle
    assert measured["got_peak"] < 64
    with (tmp_path / "copy").open("rb") as copy, (tmp_path / "source").open("rb") as source:
        assert hashlib.file_digest(copy, "sha256").digest() == hashlib.file_digest(source, "sha256").digest()
