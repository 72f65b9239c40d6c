"""Makes the template's runtime importable as `src`: a service generated with defaults, and beside it every package.

`src/config.py` reads the service's pyproject.toml, which exists only in a generated service.
"""

from __future__ import annotations

import asyncio
import atexit
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import PubAck

from natsgen.cli import main
from natsgen.harness.nats_server import NatsServer
from natsgen.harness.waiting import wait_until
from tests.harness_tools.tcp_proxy import TcpProxy

NEW_WORKER = ("new", "worker", "billing", "--subject", "orders.order.created")
WORKSPACE = Path(tempfile.mkdtemp(prefix="natsgen-runtime-"))
atexit.register(shutil.rmtree, WORKSPACE, ignore_errors=True)
with redirect_stdout(None):
    assert main([*NEW_WORKER, "--workspace", str(WORKSPACE), "--no-input"]) == 0
SERVICE = WORKSPACE / "services" / "billing"
TEMPLATE = Path(__file__).parents[2] / "template/services/{{ service_name }}"
DEFAULT_FILES = frozenset(path.relative_to(SERVICE).as_posix() for path in (SERVICE / "src").rglob("*.py"))
for folder in ("src", "schemas"):  # the files of all packages but the gateway's are plain; no test is traced
    without = shutil.ignore_patterns("*.jinja", "__pycache__", "web", "telemetry")
    shutil.copytree(TEMPLATE / folder, SERVICE / folder, ignore=without, dirs_exist_ok=True)
sys.path.insert(0, str(SERVICE))

from src.config import Settings, settings  # noqa: E402
from src.infrastructure import metrics  # noqa: E402
from src.infrastructure.handler_runner import HandlerRunner  # noqa: E402
from src.infrastructure.message import Message  # noqa: E402
from src.infrastructure.nats_client import NatsClient  # noqa: E402
from src.infrastructure.publishing import publish_over  # noqa: E402
from src.infrastructure.subscription import Subscription  # noqa: E402
from src.infrastructure.worker import Worker  # noqa: E402

RunWorker = Callable[..., AbstractAsyncContextManager[Worker]]


@pytest.fixture(autouse=True)
def no_counts() -> None:
    """Forgets what earlier tests counted: the metrics belong to the process."""
    for metric in vars(metrics).values():
        if getattr(metric, "_labelnames", ()):
            metric.clear()
    metrics.by_handler.clear()


class Counts:
    """What a handler's metrics say now, by name: `handled`, `retried`, `dead_letters` and so on."""

    def __init__(self, handler: HandlerRunner | metrics.HandlerMetrics) -> None:
        self._metrics = handler.metrics if isinstance(handler, HandlerRunner) else handler

    def __getattr__(self, name: str) -> int:
        return int(self._values()[name])

    @property
    def dead_letters_without_payload(self) -> int:
        """How many of them only point to it; it is not counted before there is one."""
        return int(self._values().get("dead_letters_without_payload", 0))

    @property
    def dead_letters(self) -> Counter[str]:
        """How many dead letters there are for each reason."""
        return Counter(self._values()["dead_letters"])

    def _values(self) -> dict[str, Any]:
        return dict(self._metrics.values())


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    """A server that this test has for itself."""
    with NatsServer(tmp_path / "nats") as server:
        yield server


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """A server for the tests that need one and do nothing to it."""
    with NatsServer(tmp_path_factory.mktemp("shared") / "nats") as server:
        yield server


@pytest.fixture
def nats_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a server without streams: this test's own if it takes `nats_server`, else the shared one."""
    if "nats_server" in request.fixturenames:
        yield request.getfixturevalue("nats_server").url
        return
    server = request.getfixturevalue("shared_server")
    yield server.url
    if server.jsz("")["streams"]:
        asyncio.run(delete_streams(server.url))


async def delete_streams(url: str) -> None:
    """Deletes every stream, and with them the consumers, buckets and queues."""
    client = await nats.connect(url)
    jetstream = client.jetstream()
    for stream in await jetstream.streams_info():
        await jetstream.delete_stream(str(stream.config.name))
    await client.close()


@pytest.fixture
def service_settings(nats_url: str) -> Settings:
    """The service's settings, with this test's server."""
    return settings.model_copy(update={"NATS_URL": nats_url, "CONSUL_ENABLED": False})


@pytest.fixture
async def client(service_settings: Settings) -> AsyncIterator[NatsClient]:
    """The runtime's own connection."""
    connection = NatsClient(service_settings)
    await connection.connect()
    yield connection
    await connection.close()


@pytest.fixture
async def own_nats(client: NatsClient) -> AsyncIterator[Any]:
    """What the toolkit goes over, without a worker."""
    from src.requests.nats import Nats

    nats = Nats()
    publish_over(client)
    yield nats
    publish_over(None)
    await nats.stop_listening(client, 1)


@pytest.fixture
async def proxied(nats_server: NatsServer, service_settings: Settings) -> AsyncIterator[tuple[Any, TcpProxy]]:
    """The same through a proxy."""
    from src.requests.nats import Nats

    with TcpProxy(nats_server.port) as proxy:
        connection = NatsClient(service_settings.model_copy(update={"NATS_URL": f"nats://127.0.0.1:{proxy.port}"}))
        await connection.connect()
        publish_over(connection)
        yield Nats(), proxy
        publish_over(None)
        proxy.resume()
        await connection.close()


@pytest.fixture
async def jetstream(nats_url: str) -> AsyncIterator[JetStreamContext]:
    """JetStream as a publisher outside of the worker sees it."""
    client = await nats.connect(nats_url)
    yield client.jetstream()
    await client.close()


@pytest.fixture
def run_worker(service_settings: Settings) -> RunWorker:
    """Runs a worker with parts of the test; leaving the context stops it.

    A part is a subscription, an action, a task, a component, or a function that makes a component of the worker.
    """

    @asynccontextmanager
    async def run(*parts: Any, **changed: Any) -> AsyncIterator[Worker]:
        ours = {"DEDUP": "none", "GRACEFUL_SHUTDOWN_TIMEOUT": 2.0}
        worker = Worker(service_settings.model_copy(update=ours | changed))
        add(worker, parts, changed)
        work = asyncio.create_task(worker.run())
        worker.working = work
        try:
            ready = lambda: worker.readiness().ready or work.done()  # noqa: E731
            await asyncio.to_thread(wait_until, ready, limit=30, what="the worker to be ready")
            yield worker
        finally:
            await worker.stop()
            await asyncio.wait([work])
            if not work.cancelled():
                work.result()

    return run


def add(worker: Worker, parts: tuple[Any, ...], changed: dict[str, Any]) -> None:
    """Adds parts as their packages do, which are imported only if there is a part of that kind."""
    actions = []
    for part in parts:
        module = type(part).__module__
        if isinstance(part, Subscription):
            worker.subscribe(part)
        elif module == "src.actions.action":
            actions.append(part)
        elif module == "src.tasks.task":
            from src.tasks.execution import TaskDeadLetters
            from src.tasks.runner import TaskRunner

            worker.subscribe(part.subscription, TaskRunner, letters=TaskDeadLetters)
        elif hasattr(part, "run"):
            worker.components.append(part)
        else:
            worker.components.append(part(worker))
    if actions:
        from src.actions.server import ActionServer
        from src.actions.settings import ActionSettings
        from src.actions.settings import settings as action_settings

        own = {name: value for name, value in changed.items() if name in ActionSettings.model_fields}
        worker.components.append(ActionServer(actions, worker.nats, action_settings.model_copy(update=own)))


async def until(condition: Callable[[], object | Awaitable[object]], what: str, limit: float = 30.0) -> None:
    """Waits for a condition, which may be a coroutine function; fails after `limit` seconds."""
    deadline = time.monotonic() + limit
    while True:
        holds = condition()
        if isinstance(holds, Awaitable):
            holds = await holds
        if holds:
            return
        assert time.monotonic() < deadline, f"not within {limit} s: {what}"
        await asyncio.sleep(0.01)


class Published(NamedTuple):
    """What a handler published."""

    subject: str
    data: bytes
    headers: dict[str, str]


class NoServer:
    """Takes what a message's handler answers and publishes, instead of a NATS server."""

    service = settings.SERVICE_NAME
    connected = True

    def __init__(self) -> None:
        self.published: list[Published] = []
        self.answered: list[bytes] = []

    def answer(self, reply: str, payload: bytes) -> None:
        """Keeps the acknowledgement."""
        self.answered.append(payload)

    async def answer_confirmed(self, reply: str, payload: bytes) -> None:
        """Keeps it as well, as if a server had confirmed it."""
        self.answered.append(payload)

    async def publish(self, subject: str, data: bytes, headers: dict[str, str]) -> PubAck:
        """Keeps what was published, and confirms it."""
        self.published.append(Published(subject, data, headers))
        return PubAck(stream="NONE", seq=len(self.published))


@pytest.fixture
def no_server() -> NoServer:
    """Where `message` publishes."""
    return NoServer()


@pytest.fixture
def published(no_server: NoServer) -> list[Published]:
    """What the handler published by `message`, in order."""
    return no_server.published


@pytest.fixture
def message(no_server: NoServer) -> Iterator[Message]:
    """A message on its first delivery; logs and new events follow from it."""
    raw = Msg(
        _client=Client(),
        subject="context.aggregate.event",
        reply="$JS.ACK.STREAM.durable.1.1.1.1705312800000000000.0",
        headers={"Nats-Msg-Id": "evt_123", "Correlation-Id": "corr_123"},
    )
    message = Message(raw, "handler", no_server)  # type: ignore[arg-type]
    with message.bound():
        yield message


@pytest.fixture
def sample_event() -> dict[str, Any]:
    """An event as it travels."""
    return {
        "id": "evt_123",
        "type": "context.aggregate.event",
        "timestamp": "2024-01-15T10:00:00Z",
        "aggregateId": "agg_456",
        "data": {"field1": "value1"},
    }
