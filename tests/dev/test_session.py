"""`natsgen dev` with a real server and real services: reload, broken edits, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import pytest

from natsgen.dev import environment, session
from natsgen.dev.board import Board
from natsgen.dev.console import Console
from natsgen.dev.page import Page
from natsgen.dev.service import DevService, State
from natsgen.harness.nats_server import NatsServer
from natsgen.harness.ports import free_port
from natsgen.harness.programs import find_program
from natsgen.harness.waiting import wait_until
from tests.dev.conftest import HANDLER, LIMIT, SUBJECT, Start, event, natsgen, processes


def processes_of(workspace: Path) -> list[str]:
    """What runs with the workspace as its folder or on its command line, other than tests."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            place, line = (folder / "cwd").readlink(), (folder / "cmdline").read_bytes().decode()
        except OSError:
            continue
        if place.is_relative_to(workspace) and int(folder.name) != os.getpid():
            found.append(line)
    return found


def test_an_edit_restarts_only_its_service_and_a_broken_one_keeps_events_waiting(start: Start, workspace: Path) -> None:
    dev = start()
    dev.wait("Consul runs" if find_program("consul") else "Consul is off")
    dev.wait("billing is ready")
    dev.wait("greeter is ready")
    dev.publish(SUBJECT, event(1))
    dev.wait("event handled", service="billing")

    handler, good = workspace / HANDLER, (workspace / HANDLER).read_text()
    handler.write_text(good.replace('"event handled"', '"event seen"'))
    dev.wait("billing is ready after an edit of src/domain/handlers/order_created_handler.py")
    dev.publish(SUBJECT, event(2))
    dev.wait("event seen", service="billing")
    assert len(dev.said("worker stopped", service="billing")) == 1, "it was stopped in order"

    handler.write_text(good + "\nthis is no Python\n")
    dev.wait("billing did not start")
    assert any("SyntaxError" in str(record) for record in dev.records(service="billing"))
    dev.publish(SUBJECT, event(3))
    handler.write_text(good)
    dev.wait("event handled", service="billing", times=2)

    assert len(dev.said("worker starting", service="greeter")) == 1, "nobody edited it"
    assert not dev.said("killed")
    assert dev.stop().exit_code == 0
    assert dev.said("billing ended with exit code 0")


@pytest.mark.slow
def test_a_spare_with_the_libraries_imported_becomes_the_service(start: Start, workspace: Path) -> None:
    billing, handler = workspace / "services" / "billing", workspace / HANDLER
    good = handler.read_text()
    dev = start("billing", "--no-ui")
    dev.wait("billing is ready")
    for broken in ("", "this is no Python\n"):
        spare = a_spare(billing)
        handler.write_text(good + broken + "# edited\n")
        dev.wait("billing did not start" if broken else "billing is ready after an edit")
        assert processes(billing) == ([] if broken else [spare])
    spare = a_spare(billing)
    handler.write_text(good)
    dev.wait("billing is ready after an edit", times=2)
    assert processes(billing) == [spare], "also after an edit that broke it"

    port = free_port()
    (billing / ".env").write_text(f"HTTP_PORT={port}\n")
    assert dev.wait("billing is ready after an edit of .env")["url"].endswith(f":{port}")
    os.kill(a_spare(billing), signal.SIGKILL)
    handler.touch()
    dev.wait("billing is ready after an edit", times=4)
    assert dev.stop().exit_code == 0
    assert processes_of(workspace) == []


@pytest.mark.slow
def test_a_gateway_and_a_queue_are_started_again_by_a_spare_too(start: Start, workspace: Path) -> None:
    natsgen(workspace, "new", "gateway", "shop", "--framework", "fastapi", "--route", "GET /prices=v1.greeter.greet")
    natsgen(workspace, "new", "worker", "mails", "--queue", "mails")
    dev = start("shop", "mails", "--no-ui")
    for name, library in (("shop", "pydantic_core"), ("mails", "aiohttp")):
        folder = workspace / "services" / name
        dev.wait(f"{name} is ready")
        spare = a_spare(folder, library)
        (folder / "src" / "config.py").touch()
        dev.wait(f"{name} is ready after an edit")
        assert processes(folder) == [spare]
    assert dev.said("gateway stopped", service="shop")
    assert not dev.said("killed")


def a_spare(folder: Path, library: str = "aiohttp") -> int:
    """The process that waits to become a service, once it has imported a library of the service's."""

    def has_imported() -> bool:
        found = processes(folder, waiting=True)
        return len(found) == 1 and library in Path(f"/proc/{found[0]}/maps").read_text()

    wait_until(has_imported, limit=LIMIT, what="a spare process with the libraries")
    return processes(folder, waiting=True)[0]


@pytest.mark.slow
def test_services_that_come_and_go_are_started_and_stopped(start: Start, workspace: Path) -> None:
    dev = start("--no-ui")
    dev.wait("greeter is ready")
    natsgen(workspace, "new", "worker", "shipping", "--subject", "parcels.parcel.sent")
    dev.wait("shipping is ready")
    (workspace / "services" / "shipping").rename(workspace / "shipping")
    dev.wait("shipping is gone")
    dev.wait("worker stopped", service="shipping")


@pytest.mark.slow
def test_nothing_is_left_when_it_is_stopped_or_killed(start: Start, workspace: Path) -> None:
    dev = start("billing")
    dev.wait("billing is ready")
    second = subprocess.run(
        [sys.executable, "-m", "natsgen", "dev", "--workspace", str(workspace)], capture_output=True, text=True
    )
    assert second.returncode == 1
    assert "natsgen dev already runs" in second.stderr
    stopped = dev.stop()
    assert (stopped.exit_code, stopped.forced) == (0, False)
    assert dev.said("worker stopped", service="billing")
    assert not dev.records(service="greeter"), "only billing was asked for"
    assert processes_of(workspace) == []

    killed = start("billing")
    killed.wait("billing is ready")
    server = killed.nats_url
    os.kill(killed.process.pid, signal.SIGKILL)
    wait_until(lambda: processes_of(workspace) == [], limit=LIMIT, what="the services to end")
    wait_until(lambda: not _listens(server), limit=LIMIT, what="the server to end")
    again = start("billing")
    again.wait("billing is ready")


@pytest.mark.slow
def test_it_stops_in_order_when_nobody_reads_any_more(workspace: Path) -> None:
    command = [sys.executable, "-m", "natsgen", "dev", "--no-ui", "--workspace", str(workspace)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as dev:
        assert dev.stdout
        assert dev.stderr
        next(line for line in dev.stdout if "billing is ready" in line)
        dev.stdout.close()
        (workspace / HANDLER).touch()  # whose restart has something to say
        assert (dev.wait(LIMIT), dev.stderr.read()) == (0, "")
    assert processes_of(workspace) == []


@pytest.mark.slow
def test_streams_are_kept_in_a_folder_on_request(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    dev = start("billing", "--data-dir", str(folder))
    dev.wait("billing is ready")
    dev.publish(SUBJECT, event(1))
    dev.wait("event handled", service="billing")
    dev.stop()
    assert (folder / "store" / "jetstream").is_dir()
    again = start("billing", "--data-dir", str(folder))
    again.wait("billing is ready")
    assert not again.said("stream created", service="billing")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["nothing"], "unknown service nothing"), (["--server", "nats://a", "--data-dir", "b"], "--data-dir is for")],
)
def test_what_cannot_be_is_said(generated: Path, arguments: list[str], message: str) -> None:
    command = [sys.executable, "-m", "natsgen", "dev", "--workspace", str(generated), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 2
    assert message in ended.stderr


def test_without_its_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from natsgen.cli import dev
    from natsgen.errors import NatsgenError

    monkeypatch.setattr(dev, "find_spec", lambda name: None if name == "watchfiles" else name)
    with pytest.raises(NatsgenError, match=r"needs watchfiles: install the extra.*natsgen\[dev\]"):
        dev.dev()


def _listens(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) == 0


@pytest.mark.slow
def test_a_running_server_is_used_and_left_alone(start: Start, tmp_path: Path) -> None:
    with NatsServer(tmp_path / "own") as server:
        dev = start("billing", "--server", server.url)
        dev.wait("billing is ready")
        assert not dev.said("with JetStream runs")
        assert dev.stop().exit_code == 0
        assert server.jsz()["streams"] >= 2, "the service's streams are kept there"


PROGRAM = """
import os, time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

class Ready(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

port = os.environ["HTTP_PORT"]
if not Path("first").exists():
    Path("first.new").write_text(port)
    Path("first.new").rename("first")
    while not Path("taken").exists():
        time.sleep(0.01)
HTTPServer(("127.0.0.1", int(port)), Ready).serve_forever()
"""


async def test_a_service_whose_port_is_taken_while_it_starts_gets_another(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.py").write_text(PROGRAM)
    (tmp_path / "requirements.txt").touch()
    service = DevService(tmp_path, environment.Servers(""), Console(as_json=False), lambda *_: None)
    service.python = Path(sys.executable)
    running = asyncio.create_task(service.run())
    await asyncio.to_thread(wait_until, (tmp_path / "first").exists, limit=LIMIT, what="its first start")
    port = int((tmp_path / "first").read_text())
    with socket.create_server(("127.0.0.1", port)):
        (tmp_path / "taken").touch()
        await asyncio.to_thread(wait_until, lambda: service.state is State.READY, limit=LIMIT, what="its second start")
        assert service.port != port
    service.kill()
    await running


async def test_two_pages_that_start_at_once_take_different_ports() -> None:
    pages = [Page(cast("Board", None), None) for _ in range(2)]
    serving = [asyncio.create_task(page.run()) for page in pages]
    for page in pages:
        page.stop()
    await asyncio.gather(*serving)
    assert pages[0].port != pages[1].port


def test_a_server_that_cannot_be_reached_is_named(generated: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "natsgen", "dev", "--workspace", str(generated), "--server", f"nats://{address}"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    assert ended.returncode == 1
    assert f"NATS at {address} cannot be reached" in ended.stderr


def test_it_stops_while_it_waits_for_a_silent_server(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dev = start("--server", f"nats://127.0.0.1:{silent.getsockname()[1]}")
        silent.settimeout(LIMIT)
        with silent.accept()[0]:
            assert dev.stop().exit_code == 0
            assert dev.said("all services have stopped")


def test_without_a_consul_program_services_run_without_it_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(session, "find_program", lambda _: None)
    with ExitStack() as parts:
        options = session.Options(tmp_path, server="nats://127.0.0.1:1")
        servers, started = session._servers(options, tmp_path, Console(as_json=False), parts)
    assert servers.settings() == {"NATS_URL": "nats://127.0.0.1:1", "CONSUL_ENABLED": "false"}
    assert started == []
    assert "Consul is off: the program `consul` is not installed" in capsys.readouterr().out


def test_what_env_says_goes_before_defaults_and_the_servers_before_both(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / ".env").write_text(
        f"NATS_URL=nats://elsewhere:4222\nHTTP_PORT={port}\nGRACEFUL_SHUTDOWN_TIMEOUT=60\nLOG_LEVEL=ERROR\n"
    )
    found = environment.variables(tmp_path, environment.Servers("nats://127.0.0.1:1"), None)
    assert (found["NATS_URL"], found["CONSUL_ENABLED"], found["HTTP_PORT"]) == (
        "nats://127.0.0.1:1",
        "false",
        str(port),
    )
    assert environment.grace_of(found) == 60
    assert found["HTTP_DRAIN_TIME"] == "0", "there is no load balancer that a gateway would wait for"
    again = environment.variables(tmp_path / "without", environment.Servers("nats://127.0.0.1:1", 8500), port)
    assert (again["HTTP_PORT"], again["CONSUL_PORT"], again["GRACEFUL_SHUTDOWN_TIMEOUT"]) == (str(port), "8500", "5")
