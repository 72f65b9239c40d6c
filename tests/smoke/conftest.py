"""A generated worker and what it runs against: made by the command that a person types, started as its README says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from nats.js import JetStreamContext

from natsgen.harness.consul_agent import ConsulAgent
from natsgen.harness.environment import environment_for
from natsgen.harness.nats_server import NatsServer
from natsgen.harness.service import GeneratedService
from tests.harness_tools import node
from tests.harness_tools.readiness import wait_ready

SUBJECT = "orders.order.created"
STREAM = "ORDERS"
DURABLE = "billing-order_created"

IN_SHORT_RUNS = {
    "test_demo.py": (
        "test_it_shows_a_worker_from_the_first_line_to_the_clean_shutdown",
        "test_colour_is_only_for_terminals_that_want_it",
    ),
    "test_gateways.py": ("test_reference_fastapi_example", "test_reference_django_example"),
    "test_pubsub.py": ("test_publishers_and_subscribers_share_the_load",),
    "test_services.py": ("test_one_service_handles_events_and_answers",),
    "test_task_queue.py": ("test_task_queue_task_of_a_killed_worker_is_done_by_another",),
    "test_worker.py": ("test_a_poison_message_becomes_a_dead_letter_and_the_rest_goes_on",),
}
"""One of each kind, run for real; the others are slow."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        short = IN_SHORT_RUNS.get(item.path.name, ())
        if item.path.parent == Path(__file__).parent and item.name.partition("[")[0] not in short:
            item.add_marker(pytest.mark.slow)


StartWorker = Callable[..., GeneratedService]
StartService = Callable[..., GeneratedService]


def natsgen(workspace: Path, *arguments: str) -> None:
    """Types a command of natsgen's, with this workspace."""
    command = [sys.executable, "-m", "natsgen", *arguments, "--workspace", str(workspace), "--no-input"]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`services/billing`, made with defaults."""
    workspace = tmp_path_factory.mktemp("workspace")
    natsgen(workspace, "new", "worker", "billing", "--subject", SUBJECT)
    return workspace / "services" / "billing"


@pytest.fixture(scope="session")
def service_python(generated: Path) -> Path:
    """The interpreter of an environment with the service's pinned requirements."""
    return environment_for(generated / "requirements.txt")


@pytest.fixture
def service(generated: Path, tmp_path: Path) -> Path:
    """A copy of the service that the test may change."""
    return Path(shutil.copytree(generated, tmp_path / "billing"))


@pytest.fixture
def write_handler(service: Path) -> Callable[[str], None]:
    """Replaces the service's handler by the test's, as a person would write it."""

    def write(source: str) -> None:
        handlers = service / "src" / "domain" / "handlers"
        (handlers / "order_created_handler.py").write_text(source)

    return write


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    with NatsServer(tmp_path / "nats") as server:
        yield server


@pytest.fixture
async def jetstream(nats_server: NatsServer) -> AsyncIterator[JetStreamContext]:
    """JetStream as a publisher sees it that knows nothing of the worker."""
    client = await nats.connect(nats_server.url, max_reconnect_attempts=-1, reconnect_time_wait=0.1)
    yield client.jetstream()
    await client.close()


@pytest.fixture
def start_worker(service: Path, service_python: Path, tmp_path: Path) -> Iterator[StartWorker]:
    """Starts the worker with these settings and waits until it is ready; all are stopped at the end."""
    with ExitStack() as stack:

        def start(name: str = "billing", *, ready: bool = True, **settings: str) -> GeneratedService:
            defaults = {"CONSUL_ENABLED": "false", "HOSTNAME": name}
            worker = GeneratedService(
                service, python=service_python, log_folder=tmp_path, name=name, settings={**defaults, **settings}
            )
            stack.enter_context(worker)
            if ready:
                wait_ready(worker)
            return worker

        yield start


@pytest.fixture
def start_service(service_python: Path, nats_server: NatsServer, tmp_path: Path) -> Iterator[StartService]:
    """Starts an instance of the service in a folder, which may have any name, and waits until it is ready.

    All are stopped at the end.
    """
    with ExitStack() as stack:

        def start(folder: Path, name: str = "", **settings: str) -> GeneratedService:
            name = name or folder.name
            defaults = {"NATS_URL": nats_server.url, "CONSUL_ENABLED": "false", "HOSTNAME": name}
            service = GeneratedService(
                folder, python=service_python, log_folder=tmp_path, name=name, settings={**defaults, **settings}
            )
            stack.enter_context(service)
            wait_ready(service)
            return service

        yield start


@pytest.fixture
async def client(nats_server: NatsServer) -> AsyncIterator[Client]:
    """A client that knows nothing of natsgen."""
    client = await nats.connect(nats_server.url)
    yield client
    await client.close()


@pytest.fixture
def consul_agent(tmp_path: Path) -> Iterator[ConsulAgent]:
    with ConsulAgent(tmp_path / "consul") as agent:
        yield agent


@pytest.fixture(scope="session")
def node_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with clients in JavaScript, and what they need."""
    return node.installed(Path(__file__).with_name("node_client"), tmp_path_factory.mktemp("node") / "client")
