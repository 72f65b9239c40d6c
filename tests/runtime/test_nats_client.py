"""The connection that never gives up, also where nats-py alone would."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import nats
import nats.errors
import pytest
from pydantic import SecretStr

from natsgen.harness.nats_server import NatsServer
from natsgen.harness.waiting import wait_until
from src.config import Settings, settings
from src.infrastructure import link_health
from src.infrastructure.errors import ConfigurationError, NotConnected
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.nats_internals import TolerantClient, abort, flush, unsent_bytes
from tests.harness_tools.freezing import freeze, resume
from tests.harness_tools.nats_admin import connections
from tests.harness_tools.tcp_proxy import Direction, TcpProxy
from tests.runtime.conftest import until


@pytest.fixture
def proxy(nats_server: NatsServer) -> Iterator[TcpProxy]:
    with TcpProxy(nats_server.port) as between:
        yield between


@pytest.fixture
async def proxied(proxy: TcpProxy, service_settings: Settings) -> AsyncIterator[NatsClient]:
    """A connection through the proxy."""
    connection = NatsClient(service_settings.model_copy(update={"NATS_URL": f"nats://127.0.0.1:{proxy.port}"}))
    await connection.connect()
    yield connection
    await connection.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter times than in production."""
    monkeypatch.setattr(link_health, "LOOK", 0.05)
    monkeypatch.setattr(link_health, "ASK_AFTER", 0.2)
    monkeypatch.setattr(link_health, "DEAD_AFTER", (1.0, 1.0))


async def connected_again(client: NatsClient, connections: int) -> None:
    def again() -> bool:
        return client.connected and client.connections > connections

    await asyncio.to_thread(wait_until, again, limit=60, what="a new connection")


async def fill_the_buffer(client: NatsClient) -> None:
    for _ in range(40):
        await client.client.publish("somewhere", bytes(900_000))


async def test_a_half_open_connection_is_found_dead_and_replaced_in_time(proxied: NatsClient, proxy: TcpProxy) -> None:
    """With the times of production: two heartbeats of 5 s plus 2 s until messages are handled again."""
    started = time.monotonic()
    proxy.abandon()

    await connected_again(proxied, 1)

    assert time.monotonic() - started < 12
    await proxied.client.flush()


async def test_a_half_open_connection_with_a_full_buffer_is_torn_down(
    impatient: None, proxied: NatsClient, proxy: TcpProxy
) -> None:
    """nats.py#671: its reconnect waits for the old connection to close, which it never does."""
    proxy.abandon()
    filling = asyncio.create_task(fill_the_buffer(proxied))

    await connected_again(proxied, 1)

    await asyncio.wait([filling], timeout=20)
    await proxied.client.flush()


@pytest.mark.slow
async def test_a_half_open_connection_that_nats_py_notices_first_is_torn_down(
    impatient: None, proxied: NatsClient, proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.abandon()
    filling = asyncio.create_task(fill_the_buffer(proxied))
    await until(lambda: proxied.client.pending_data_size, "a full buffer")
    await proxied.client._process_op_err(nats.errors.StaleConnectionError())

    await connected_again(proxied, 1)

    await asyncio.wait([filling], timeout=20)


@pytest.mark.parametrize("direction", Direction.BOTH)
async def test_a_connection_that_is_dead_in_one_direction_is_replaced(
    impatient: None, proxied: NatsClient, proxy: TcpProxy, direction: Direction
) -> None:
    proxy.abandon(direction)

    await connected_again(proxied, 1)


async def test_heartbeats_do_not_hide_that_nothing_gets_to_the_server(
    impatient: None, proxied: NatsClient, proxy: TcpProxy, nats_server: NatsServer
) -> None:
    await proxied.client.subscribe("heartbeats")
    await flush(proxied.client)
    server = await nats.connect(nats_server.url)
    proxy.abandon(Direction.TO_SERVER)

    async def heartbeats() -> None:
        while True:
            await server.publish("heartbeats")
            await asyncio.sleep(0.02)

    beating = asyncio.create_task(heartbeats())
    await connected_again(proxied, 1)

    beating.cancel()
    await server.close()


async def test_a_read_loop_that_died_of_a_late_answer_is_noticed(client: NatsClient, nats_server: NatsServer) -> None:
    """What PR #914 is about: `is_connected` stays true, and a flush pretends that all is well."""
    await asyncio.to_thread(freeze, nats_server)
    late = False
    async with asyncio.timeout(10):
        while not late:  # the server may take a moment to stand still
            try:
                await client.client.flush(timeout=1)
            except nats.errors.FlushTimeoutError:
                late = True
    await asyncio.to_thread(resume, nats_server)

    await connected_again(client, 1)
    await client.client.rtt(timeout=10)


@pytest.mark.parametrize("loop", ["_reading_task", "_flusher_task"])
async def test_a_loop_of_nats_py_that_died_is_noticed(client: NatsClient, loop: str) -> None:
    getattr(client.client, loop).cancel()

    await connected_again(client, 1)
    await client.client.rtt(timeout=10)


async def test_a_server_that_stands_still_for_3_s_keeps_its_connections(
    client: NatsClient, nats_server: NatsServer
) -> None:
    await asyncio.to_thread(freeze, nats_server)
    await asyncio.sleep(3)  # what is tested: standing still for as long
    await asyncio.to_thread(resume, nats_server)

    await client.client.flush()
    assert (client.connected, client.connections) == (True, 1)


async def test_a_loop_that_was_blocked_is_not_taken_for_a_dead_connection(impatient: None, client: NatsClient) -> None:
    for _ in range(5):
        time.sleep(1.5)  # noqa: ASYNC251 - what is tested: blocked for longer than the server may be silent
        await asyncio.sleep(0.01)

    await client.client.flush()
    assert (client.connected, client.connections) == (True, 1)


async def test_a_slow_link_with_much_to_carry_keeps_its_connection(
    impatient: None, nats_server: NatsServer, service_settings: Settings
) -> None:
    """The answer to a PING comes after all that was written before it."""
    async with slow_link(nats_server.port) as link:
        client = NatsClient(service_settings.model_copy(update={"NATS_URL": f"nats://127.0.0.1:{link.port}"}))
        await client.connect()
        carrying = asyncio.create_task(fill_the_buffer(client))
        await asyncio.to_thread(
            wait_until, lambda: unsent_bytes(client.client) > 8_000_000, limit=30, what="much to carry"
        )
        asked = asyncio.create_task(client.client.rtt(60))
        await asyncio.wait([asked], timeout=30)
        link.slow = False
        await asyncio.wait([carrying], timeout=30)

        assert asked.result() > 2 * link_health.DEAD_AFTER[1], "the link was slow"
        assert client.connections == 1
        await client.close()


class SlowLink:
    """What passes bytes on to a server, 8 MB a second, until it is not `slow` any more."""

    def __init__(self) -> None:
        self.port = 0
        self.slow = True

    async def carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
            if self.slow:
                await asyncio.sleep(0.008)
        target.close()


@contextlib.asynccontextmanager
async def slow_link(port: int) -> AsyncIterator[SlowLink]:
    link = SlowLink()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(link.carry(reader, server_writer), link.carry(server_reader, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    link.port = server.sockets[0].getsockname()[1]
    yield link
    server.close()


async def test_it_is_not_connected_from_when_the_link_was_found_dead_until_there_is_another(
    impatient: None, proxied: NatsClient, proxy: TcpProxy
) -> None:
    proxy.stall()
    await asyncio.to_thread(wait_until, lambda: not proxied.connected, limit=30, what="it to be found dead")

    proxy.resume()
    await connected_again(proxied, 1)


async def test_replaced_clients_leave_nothing_behind(
    impatient: None, client: NatsClient, nats_server: NatsServer
) -> None:
    loop = asyncio.get_running_loop()

    def footprint() -> tuple[int, int, int]:
        return len(asyncio.all_tasks(loop)), open_files(), len(connections(nats_server))

    async def replace_it() -> None:
        before = client.connections
        await client.client.subscribe("somewhere", cb=ignore)
        abort(client.client)
        await client.client.publish("somewhere", b"something that waits to be sent")
        with contextlib.suppress(Exception):  # nats-py fails halfway, with what depends on Python's version
            await client.client.close()
        await connected_again(client, before)

    await replace_it()
    await asyncio.to_thread(wait_until, lambda: footprint()[2] == 1, limit=30, what="the old connection to be gone")
    before = footprint()
    for _ in range(20):
        await replace_it()

    await asyncio.to_thread(wait_until, lambda: footprint() == before, limit=30, what=f"no more than {before}")


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[BaseException | None]:
    """What each attempt to connect failed with."""
    made: list[BaseException | None] = []
    connect_to = NatsClient._connect_to

    async def attempt(self: NatsClient, url: str, settings: Settings) -> Exception | None:
        made.append(await connect_to(self, url, settings))
        return made[-1]  # type: ignore[return-value]

    monkeypatch.setattr(NatsClient, "_connect_to", attempt)
    return made


async def test_attempts_at_a_server_that_does_not_answer_leave_nothing_behind(
    impatient: None,
    client: NatsClient,
    nats_server: NatsServer,
    monkeypatch: pytest.MonkeyPatch,
    attempts: list[BaseException | None],
) -> None:
    monkeypatch.setattr(NatsClient, "FIRST_WAIT", 0.01)
    quick = {"NATS_RECONNECT_WAIT": 0.02, "NATS_CONNECT_TIMEOUT": 0.1}
    monkeypatch.setattr(client, "settings", client.settings.model_copy(update=quick))
    await asyncio.to_thread(freeze, nats_server)
    await until(lambda: len(attempts) > 2, "attempts")
    files, tasks = open_files(), len(asyncio.all_tasks())
    await until(lambda: len(attempts) > 22, "more attempts", limit=60)

    assert open_files() <= files + 1
    assert len(asyncio.all_tasks()) <= tasks + 2
    await asyncio.to_thread(resume, nats_server)
    await connected_again(client, 1)


async def ignore(_: object) -> None:
    """Takes a message."""


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_closing_before_the_first_connection_leaves_no_error_behind(service_settings: Settings) -> None:
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    client = NatsClient(service_settings.model_copy(update={"NATS_URL": "nats://127.0.0.1:1"}))
    connecting = asyncio.create_task(client.connect())
    await until(lambda: ":" in client.trouble, "an attempt has failed")

    connecting.cancel()
    await asyncio.wait([connecting])
    await client.close()

    gc.collect()
    assert unhandled == []


async def test_waiting_for_a_connection_does_not_take_a_lost_one_for_it(
    client: NatsClient, nats_server: NatsServer
) -> None:
    await asyncio.to_thread(nats_server.kill)
    await asyncio.to_thread(wait_until, lambda: not client.connected, limit=30, what="the loss")
    started = time.monotonic()

    with pytest.raises(NotConnected, match="a test: not connected"):
        await client.wait_connected("a test", 0.5)

    assert time.monotonic() - started > 0.4


async def test_an_attempt_to_reconnect_that_fails_unexpectedly_is_not_the_last(
    client: NatsClient, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch, attempts: list[BaseException | None]
) -> None:
    connect = TolerantClient.connect

    async def broken(self: TolerantClient, *args: Any, **options: Any) -> None:
        if len(attempts) < 3:
            raise RuntimeError("nobody expects this")
        await connect(self, *args, **options)

    monkeypatch.setattr(TolerantClient, "connect", broken)
    await asyncio.to_thread(nats_server.kill)
    await asyncio.to_thread(nats_server.start)

    await connected_again(client, 1)
    assert [str(error) for error in attempts[:3]] == ["nobody expects this"] * 3


async def test_refused_credentials_are_tried_again(
    impatient: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = NatsServer(tmp_path / "nats", configuration="authorization { user: a, password: right }")
    with server:
        with_password = {"NATS_USER": "a", "NATS_PASSWORD": SecretStr("right")}
        client = NatsClient(settings.model_copy(update={"NATS_URL": server.url, **with_password}))
        await client.connect()

        configuration = tmp_path / "nats" / "nats-server.conf"
        await asyncio.to_thread(server.stop)
        server.configuration = "authorization { user: a, password: other }"
        await asyncio.to_thread(server.start)
        assert "other" in configuration.read_text()
        await asyncio.to_thread(wait_until, lambda: not client.connected, limit=30, what="the refusal")
        await asyncio.to_thread(server.stop)
        server.configuration = "authorization { user: a, password: right }"
        await asyncio.to_thread(server.start)

        await connected_again(client, 1)
        await client.close()


@pytest.mark.parametrize("name", ["NATS_TLS_CA", "NATS_CREDS_FILE", "NATS_NKEY_SEED_FILE"])
async def test_a_file_with_nonsense_is_a_configuration_error(
    tmp_path: Path, service_settings: Settings, name: str
) -> None:
    file = tmp_path / "nonsense"
    file.write_text("nonsense")
    client = NatsClient(service_settings.model_copy(update={name: file}))

    with pytest.raises(ConfigurationError, match="cannot connect to NATS with these NATS_"):
        async with asyncio.timeout(10):
            await client.connect()


async def test_a_publish_returns_when_the_stream_has_confirmed(client: NatsClient) -> None:
    with pytest.raises(nats.errors.Error):
        await client.publish("events.one", b"1", {})

    await client.jetstream.add_stream(name="EVENTS", subjects=["events.>"])
    assert (await client.publish("events.one", b"1", {})).seq == 1


async def test_its_inboxes_are_its_own(client: NatsClient) -> None:
    assert client.client.new_inbox().startswith("_INBOX_billing.")
