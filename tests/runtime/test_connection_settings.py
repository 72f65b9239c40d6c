"""What the settings of the connection to NATS do: how long an attempt takes, and how long it is until the next."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from natsgen.harness.nats_server import NatsServer
from natsgen.harness.waiting import wait_until
from src.config import Settings
from src.infrastructure import nats_client
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.nats_options import connect_options
from src.infrastructure.provisioning import stream_for
from tests.harness_tools.nats_admin import reload
from tests.runtime import rotations
from tests.runtime.rotations import Credentials


async def eventually(condition: Any, what: str) -> None:
    await asyncio.to_thread(wait_until, condition, limit=30, what=what)


async def test_reconnect_settings(
    nats_server: NatsServer, service_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pauses grow from a tenth of a second to what the setting says, and no further; attempts do not end."""
    waits: list[float] = []

    async def sleep(seconds: float, real: Any = asyncio.sleep) -> None:
        pause = 0 < seconds < 5 and seconds != 0.5  # neither nats-py's ping nor the look at the connection
        waits.extend([seconds] if pause else [])
        await real(0.001 if pause else seconds)

    monkeypatch.setattr(nats_client.random, "uniform", lambda low, high: high)
    chosen = service_settings.model_copy(update={"NATS_RECONNECT_WAIT": 3.0, "NATS_CONNECT_TIMEOUT": 5})
    connection = NatsClient(chosen)
    await connection.connect()
    monkeypatch.setattr(nats_client.asyncio, "sleep", sleep)

    await asyncio.to_thread(nats_server.stop)
    await eventually(lambda: waits.count(3.0) > 3, "the longest pause")
    monkeypatch.undo()
    await asyncio.to_thread(nats_server.start)
    await eventually(lambda: connection.connected, "the connection")

    assert connection.client.options["connect_timeout"] == 5
    assert waits[:8] == [0.1, 0.1, 0.2, 0.4, 0.8, 1.6, 3.0, 3.0]  # the first is before the first attempt
    await connection.close()


async def test_an_attempt_to_connect_ends_in_its_time(service_settings: Settings) -> None:
    """A server that accepts connections and says nothing is left after `NATS_CONNECT_TIMEOUT`."""
    accepted: list[tuple[float, object]] = []  # and what keeps each connection open

    def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append((time.monotonic(), writer))

    silent = await asyncio.start_server(accept, "127.0.0.1", 0)
    url = f"nats://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
    connection = NatsClient(service_settings.model_copy(update={"NATS_URL": url, "NATS_CONNECT_TIMEOUT": 1}))
    with capture_logs():
        attempt = asyncio.create_task(connection.connect())
        await eventually(lambda: len(accepted) >= 3, "other attempts")
        while not attempt.done():  # nats-py swallows a cancellation that comes as the socket connects
            attempt.cancel()
            await asyncio.wait([attempt], timeout=1)
    silent.close()

    times = [moment for moment, _ in accepted]
    soonest = min(later - earlier for earlier, later in pairwise(times))
    assert 0.9 < soonest < 4, "its time, and not the 5 s of the default"


@pytest.mark.parametrize(
    ("name", "value"), [("NATS_CONNECT_TIMEOUT", 0), ("NATS_RECONNECT_WAIT", 0), ("NATS_RECONNECT_WAIT", 61)]
)
def test_values_that_make_no_sense_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValidationError, match=name):
        Settings(**{name: value})


def test_with_an_authority_or_one_tls_address_no_server_is_used_without_tls(
    service_settings: Settings, tmp_path: Path
) -> None:
    mixed = service_settings.model_copy(update={"NATS_URL": "nats://one:4222,tls://two:4222"})
    sockets = service_settings.model_copy(update={"NATS_URL": "ws://one,wss://two"})

    assert connect_options(mixed, mixed.nats_urls[0])["servers"] == ["tls://one:4222"]
    assert connect_options(sockets, sockets.nats_urls[0])["servers"] == ["wss://one"]


@pytest.mark.parametrize("password", ["p@ss", "p/s#s", "p,s:s", "p%s s"])
async def test_a_password_in_an_address_is_percent_encoded(
    tmp_path: Path, service_settings: Settings, password: str
) -> None:
    with NatsServer(tmp_path / "nats", configuration=f'authorization {{ user: w, password: "{password}" }}') as server:
        url = f"nats://w:{quote(password, safe='')}@127.0.0.1:{server.port}"
        client = NatsClient(service_settings.model_copy(update={"NATS_URL": url}))
        async with asyncio.timeout(10):
            await client.connect()
        assert client.connected
        await client.close()


@pytest.mark.parametrize(("name", "rule"), [("NATS_PASSWORD", "user: w, password: {}"), ("NATS_TOKEN", "token: {}")])
async def test_a_secret_in_a_file_is_read_again_at_every_connect(
    tmp_path: Path, service_settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str, rule: str
) -> None:
    """It is rotated while the server reloads its configuration, which ends connections with the old one."""
    file = tmp_path / "secret"
    file.write_text("first")
    monkeypatch.setenv(f"{name}_FILE", str(file))
    user = {"NATS_USER": "w"} if name == "NATS_PASSWORD" else {}

    def accepting(secret: str) -> str:
        return f"authorization {{ {rule.format(secret)} }}"

    with NatsServer(tmp_path / "nats", configuration=accepting("first")) as server:
        given = {**dict(service_settings), "NATS_URL": server.url, **user, name: "first"}
        client = NatsClient(Settings(**given))
        await client.connect()
        file.write_text("second")
        reload(server, accepting("second"))

        await eventually(lambda: client.connections == 2 and client.connected, "a connection with the new one")
        await client.close()


@pytest.mark.parametrize("changed", [{"NATS_JS_DOMAIN": "hub"}, {"NATS_JS_API_PREFIX": "$JS.hub.API"}])
async def test_jetstream_in_another_domain(tmp_path: Path, service_settings: Settings, changed: dict[str, str]) -> None:
    with NatsServer(tmp_path / "nats", configuration="jetstream { domain: hub }") as server:
        client = NatsClient(service_settings.model_copy(update={"NATS_URL": server.url, **changed}))
        await client.connect()
        await stream_for(client, "events.one")

        assert client.jetstream._prefix == "$JS.hub.API"
        assert (await client.publish("events.one", b"1", {})).seq == 1
        assert (await client.ask("STREAM.NAMES", {"subject": "events.one"}))["streams"] == ["EVENTS"]
        await client.close()


@pytest.mark.parametrize(
    ("make", "names", "reason"),
    [
        (rotations.nkey, {"seed": "NATS_NKEY_SEED_FILE"}, "Authorization Violation"),
        (rotations.creds, {"creds": "NATS_CREDS_FILE"}, "Authorization Violation"),
        (rotations.tls, {"ca": "NATS_TLS_CA", "cert": "NATS_TLS_CERT", "key": "NATS_TLS_KEY"}, "certificate verify"),
    ],
    ids=["nkey", "creds", "certificates and authority"],
)
async def test_rotated_credentials_are_noticed_and_used_without_a_restart(
    make: Callable[[Path], Credentials], names: dict[str, str], reason: str, service_settings: Settings, tmp_path: Path
) -> None:
    """The server has the new ones first: until the service has them too, it is unready and says why."""
    old, new = make(tmp_path / "old"), make(tmp_path / "new")
    for name, content in old.files.items():
        (tmp_path / name).write_text(content)
    with NatsServer(tmp_path / "nats", configuration=old.configuration) as server:
        paths = {setting: tmp_path / name for name, setting in names.items()}
        client = NatsClient(service_settings.model_copy(update={"NATS_URL": server.url, **paths}))
        async with asyncio.timeout(30):  # a client never gives up
            await client.connect()
        server.configuration = new.configuration

        await asyncio.to_thread(server.restart)
        await eventually(lambda: reason in client.trouble, f"{reason} as the trouble")
        assert not client.connected
        for name, content in new.files.items():
            (tmp_path / name).write_text(content)

        await eventually(lambda: client.connected, "a connection with the new ones")
        assert (client.connections, client.trouble) == (2, "")
        await client.close()
