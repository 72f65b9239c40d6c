"""Makes the template's runtime importable as `src`, the way it runs: as a service generated with defaults.

`src/config.py` reads the service's pyproject.toml, which exists only in a generated service.
"""

from __future__ import annotations

import asyncio
import atexit
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.js import JetStreamContext

from natsgen.harness.nats_server import NatsServer
from natsgen.harness.tcp_proxy import TcpProxy
from natsgen.harness.waiting import wait_until

WORKSPACE = Path(tempfile.mkdtemp(prefix="natsgen-runtime-"))
atexit.register(shutil.rmtree, WORKSPACE, ignore_errors=True)
subprocess.run(
    [
        *(sys.executable, "-m", "natsgen", "new", "worker", "billing", "--subject", "orders.order.created"),
        *("--workspace", str(WORKSPACE), "--no-input"),
    ],
    check=True,
    capture_output=True,
)
sys.path.insert(0, str(WORKSPACE / "services" / "billing"))

from src.config import Settings, settings  # noqa: E402
from src.infrastructure.nats_client import NatsClient  # noqa: E402
from src.infrastructure.subscription import Subscription  # noqa: E402
from src.infrastructure.worker import Worker  # noqa: E402
from src.actions.action import Action  # noqa: E402
from src.requests.nats import Nats  # noqa: E402
from src.actions.server import ActionServer  # noqa: E402
from src.tasks.delivering import TaskDelivery  # noqa: E402
from src.tasks.receiving import TaskIntake  # noqa: E402
from src.tasks.subscribing import subscription_of  # noqa: E402
from src.tasks.task import Task  # noqa: E402

RunWorker = Callable[..., AbstractAsyncContextManager[Worker]]


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    with NatsServer(tmp_path / "nats") as server:
        yield server


@pytest.fixture
def service_settings(nats_server: NatsServer) -> Settings:
    return settings.model_copy(update={"NATS_URL": nats_server.url, "CONSUL_ENABLED": False})


@pytest.fixture
async def client(service_settings: Settings) -> AsyncIterator[NatsClient]:
    """The runtime's own connection."""
    connection = NatsClient(service_settings)
    await connection.connect()
    yield connection
    await connection.close()


@pytest.fixture
async def own_nats(client: NatsClient) -> AsyncIterator[Nats]:
    """What the toolkit goes over, without a worker."""
    nats = Nats()
    nats.use(client)
    yield nats
    await nats.stop_listening(client, 1)


@pytest.fixture
async def proxied(nats_server: NatsServer, service_settings: Settings) -> AsyncIterator[tuple[Nats, TcpProxy]]:
    """The same through a proxy."""
    with TcpProxy(nats_server.port) as proxy:
        connection = NatsClient(service_settings.model_copy(update={"NATS_URL": f"nats://127.0.0.1:{proxy.port}"}))
        await connection.connect()
        nats = Nats()
        nats.use(connection)
        yield nats, proxy
        proxy.resume()
        await connection.close()


@pytest.fixture
async def jetstream(nats_server: NatsServer) -> AsyncIterator[JetStreamContext]:
    """JetStream as a publisher outside of the worker sees it."""
    client = await nats.connect(nats_server.url)
    yield client.jetstream()
    await client.close()


@pytest.fixture
def run_worker(service_settings: Settings) -> RunWorker:
    """Runs a worker with subscriptions, actions and tasks of the test; leaving the context stops it."""

    @asynccontextmanager
    async def run(*subscriptions: Subscription | Action | Task[Any, ..., Any], **changed: Any) -> AsyncIterator[Worker]:
        ours = {"DEDUP": "none", "GRACEFUL_SHUTDOWN_TIMEOUT": 2.0}
        worker = Worker(service_settings.model_copy(update=ours | changed))
        for subscription in subscriptions:
            if isinstance(subscription, Task):
                worker.subscribe(subscription_of(subscription), TaskIntake, TaskDelivery)
            elif not isinstance(subscription, Action):
                worker.subscribe(subscription)
        if actions := [subscription for subscription in subscriptions if isinstance(subscription, Action)]:
            worker.include(partial(ActionServer, actions))
        work = asyncio.create_task(worker.run())
        try:
            ready = lambda: worker.readiness().ready or work.done()  # noqa: E731
            await asyncio.to_thread(wait_until, ready, limit=10, what="the worker to be ready")
            yield worker
        finally:
            await worker.stop()
            await work

    return run
