"""Object stores, on a real server."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from nats.js import JetStreamContext
from nats.js.api import ObjectMeta
from nats.js.errors import NotFoundError, ObjectNotFoundError

from natsgen.harness.nats_server import NatsServer
from src.config import Settings
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.publishing import publish_over
from src.requests.nats import Nats
from src.toolkit.objects import Damaged, Store
from tests.harness_tools.tcp_proxy import TcpProxy
from tests.runtime.conftest import SERVICE

PART = 128 * 1024
WHOLE = bytes(range(256)) * 2_000  # four parts


@pytest.fixture
def store(own_nats: Nats) -> Store:
    return Store("documents")


@pytest.mark.parametrize(
    "content", [b"", b"x", WHOLE, bytes(PART), bytes(PART + 1)], ids=["empty", "small", "in parts", "one part", "more"]
)
async def test_object_put_get_delete(store: Store, content: bytes) -> None:
    opened = await store.open()
    put = await opened.put("reports/q4.pdf", content)

    assert put.size == len(content)
    assert await store.get("reports/q4.pdf") == content
    await opened.delete("reports/q4.pdf")
    with pytest.raises(ObjectNotFoundError):
        await store.get("reports/q4.pdf")


async def test_object_list(store: Store) -> None:
    opened = await store.open()
    for name in ("a", "b", "\u00fcn\u00efcode / ../x"):
        await opened.put(name, name.encode())
    await opened.put("b", b"once more")
    await opened.delete("a")

    found = {info.name: info.size for info in await opened.list(ignore_deletes=True)}
    assert found == {"b": 9, "\u00fcn\u00efcode / ../x": 16}


async def test_object_metadata(store: Store) -> None:
    opened = await store.open()
    meta = ObjectMeta(description="fourth", headers={"Content-Type": "text/plain"})
    await opened.put("a", WHOLE, meta=meta)

    info = await opened.get_info("a")

    assert (info.name, info.size, info.chunks) == ("a", len(WHOLE), 4)
    assert (info.description, info.headers) == ("fourth", {"Content-Type": "text/plain"})
    assert (info.digest or "").startswith("SHA-256=")


async def test_object_get_to_a_file(store: Store, tmp_path: Path) -> None:
    await (await store.open()).put("a", WHOLE)
    (tmp_path / "there").mkdir()
    path = tmp_path / "there" / "content"
    path.write_bytes(b"before")

    await store.get_to("a", path)

    assert path.read_bytes() == WHOLE
    assert list(path.parent.iterdir()) == [path]


async def test_object_damaged_leaves_the_file_as_it_was(
    store: Store, tmp_path: Path, jetstream: JetStreamContext
) -> None:
    await (await store.open()).put("gone", WHOLE)
    await jetstream.purge_stream("OBJ_documents", subject="$O.documents.C.>", keep=2)
    (tmp_path / "there").mkdir()
    path = tmp_path / "there" / "content"
    path.write_bytes(b"before")

    with pytest.raises(Damaged, match="'gone' is incomplete"):
        await store.get_to("gone", path)
    with pytest.raises(Damaged):
        await store.get("gone")

    assert path.read_bytes() == b"before"
    assert list(path.parent.iterdir()) == [path]


async def test_object_with_another_digest_is_damaged(store: Store, jetstream: JetStreamContext) -> None:
    await (await store.open()).put("a", b"content")
    told = await jetstream.get_msg("OBJ_documents", 2)
    kept = json.loads(told.data or b"") | {"digest": "SHA-256=" + "A" * 43 + "="}
    await jetstream.publish(str(told.subject), json.dumps(kept).encode(), headers={"Nats-Rollup": "sub"})

    with pytest.raises(Damaged, match="does not match its digest"):
        await store.get("a")


async def test_object_no_store_is_made_where_that_is_not_allowed(service_settings: Settings) -> None:
    connection = NatsClient(service_settings.model_copy(update={"STREAM_MODE": "verify"}))
    await connection.connect()
    publish_over(connection)

    with pytest.raises(NotFoundError):
        await Store("documents").open()
    publish_over(None)
    await connection.close()


async def test_object_get_survives_a_lost_connection(proxied: tuple[Nats, TcpProxy]) -> None:
    _, proxy = proxied
    store = Store("documents")
    await (await store.open()).put("a", WHOLE[:PART] * 24)

    content = b""
    async for part in store.parts("a"):
        content += part
        if len(content) == 4 * PART:
            proxy.cut()

    assert content == WHOLE[:PART] * 24


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
    with (folder / "source").open("rb") as source:
        put = await (await store.open()).put("object", source)
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
