"""The connection that never gives up, also where nats-py alone would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import nats.errors
import pytest

from natsgen.harness.nats_server import NatsServer
from natsgen.harness.waiting import wait_until
from src.config import Settings, settings
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.nats_client import NatsClient


class Proxy:
    """Passes bytes on to a server, until it is told to stop reading from the connections that it has."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._server: asyncio.Server | None = None
        self._pumps: list[asyncio.Task[None]] = []
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def freeze(self) -> None:
        """Half open: the connections stay, and nothing gets through any more."""
        for pump in self._pumps:
            pump.cancel()

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.freeze()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._pumps += [
            asyncio.create_task(pump(reader, upstream_writer)),
            asyncio.create_task(pump(upstream_reader, writer)),
        ]


async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        target.write(data)
        await target.drain()


@pytest.fixture
async def proxy(nats_server: NatsServer) -> AsyncIterator[Proxy]:
    between = Proxy(nats_server.port)
    await between.start()
    yield between
    await between.stop()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter times than in production."""
    monkeypatch.setattr(NatsClient, "PING_INTERVAL", 0.3)
    monkeypatch.setattr(NatsClient, "FLUSH_TIMEOUT", 0.5)
    monkeypatch.setattr(NatsClient, "QUIET", 1.5)


async def connected_again(client: NatsClient, connections: int) -> None:
    def again() -> bool:
        return client.connected and client.connection > connections

    await asyncio.to_thread(wait_until, again, limit=20, what="a new connection")


async def test_a_half_open_connection_with_a_full_buffer_is_torn_down(
    impatient: None, proxy: Proxy, service_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nats.py#671: its reconnect waits for the old connection to close, which it never does."""
    monkeypatch.setattr(NatsClient, "QUIET", 60.0)  # what else would help, much later
    client = NatsClient(service_settings.model_copy(update={"NATS_URL": f"nats://127.0.0.1:{proxy.port}"}))
    await client.connect()
    proxy.freeze()

    async def fill() -> None:
        for _ in range(40):
            await client.client.publish("somewhere", bytes(900_000))

    filling = asyncio.create_task(fill())
    await connected_again(client, 1)

    await client.client.flush()
    filling.cancel()
    await asyncio.wait([filling])
    await client.close()


async def test_attempts_to_reconnect_that_died_are_taken_up_again(
    impatient: None, client: NatsClient, nats_server: NatsServer
) -> None:
    await asyncio.to_thread(nats_server.kill)
    await asyncio.to_thread(wait_until, lambda: client.client.is_reconnecting, limit=10, what="the loss to be noticed")
    task = client.client._reconnection_task
    assert task is not None
    task.cancel()  # as an exception does that nats-py does not expect
    await asyncio.to_thread(nats_server.start)

    await connected_again(client, 1)


async def test_refused_credentials_are_tried_again(
    impatient: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = NatsServer(tmp_path / "nats", configuration="authorization { user: a, password: right }")
    with server:
        with_password = {"NATS_USER": "a", "NATS_PASSWORD": settings.REDIS_URL.__class__("right")}
        client = NatsClient(settings.model_copy(update={"NATS_URL": server.url, **with_password}))
        await client.connect()

        configuration = tmp_path / "nats" / "nats-server.conf"
        await asyncio.to_thread(server.stop)
        server._configuration = "authorization { user: a, password: other }"
        await asyncio.to_thread(server.start)
        assert "other" in configuration.read_text()
        await asyncio.to_thread(wait_until, lambda: not client.connected, limit=10, what="the refusal")
        await asyncio.to_thread(server.stop)
        server._configuration = "authorization { user: a, password: right }"
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

    with pytest.raises(ConfigurationError, match="cannot connect to NATS with the NATS_"):
        async with asyncio.timeout(10):
            await client.connect()


async def test_a_publish_returns_when_the_stream_has_confirmed(client: NatsClient) -> None:
    with pytest.raises(nats.errors.Error):
        await client.publish("events.one", {"n": 1})

    await client.jetstream.add_stream(name="EVENTS", subjects=["events.>"])
    assert (await client.publish("events.one", {"n": 1})).seq == 1


async def test_its_inboxes_are_its_own(client: NatsClient) -> None:
    assert client.client.new_inbox().startswith("_INBOX_billing.")
