"""docs/migrating.md as it stands: each system's code runs on a real server, and does the same with the same messages.

FastStream and fsai-nats-app run in the environment that `make bench` measures them in.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from nats.errors import NoRespondersError

from natsgen.harness.commands import run
from natsgen.harness.environment import environment_for
from natsgen.harness.nats_server import NatsServer
from natsgen.harness.processes import ManagedProcess
from natsgen.harness.service import GeneratedService
from natsgen.harness.waiting import wait_until
from tests.documents.blocks import Block, read_blocks
from tests.documents.conftest import natsgen, put_files
from tests.smoke import letters

ROOT = Path(__file__).parents[2]
DOCUMENT = "docs/migrating.md"
BLOCKS = read_blocks(ROOT, DOCUMENT)
FASTSTREAM, FSAI = "FastStream", "fsai-nats-app"
LIMIT = 60.0  # seconds; fsai-nats-app asks one subscription after the other, a second each

MESSAGES = {
    "created": [{"number": 1}],
    "placed": [{"number": 2, "total": 40}],
    "paid": [{"number": 3}],
    "viewed": [{"number": 4}, {"number": 5}, {"number": 6}],
    "shipped": [{"number": 7, "total": 40}, {"number": 8, "total": -1}, {"number": 9}],
}
DONE = {"created 1", "paid 3", "viewed 4", "viewed 5", "viewed 6", "shipped 7", "shipped 9"}
"""What each says that it has done; what was asked and packed as well where it can."""


def of(system: str) -> list[Block]:
    """The blocks of a system, by how the paragraph before begins."""
    return [
        block for block in BLOCKS if block.language == "python" and not block.place and block.before.startswith(system)
    ]


def natsgens() -> list[Block]:
    return [block for block in BLOCKS if block.place]


def runs(block: Block) -> bool:
    """Whether a test here deals with this block."""
    return block.document == DOCUMENT and block in [*of(FASTSTREAM), *of(FSAI), *natsgens(), *commands(), *settings()]


def commands() -> list[Block]:
    return [block for block in BLOCKS if block.language == "sh"]


def settings() -> list[Block]:
    return [block for block in BLOCKS if block.language == "env"]


@pytest.fixture(scope="module")
def rivals() -> Path:
    """The interpreter with FastStream and fsai-nats-app."""
    return environment_for(ROOT / "benchmarks/requirements.txt")


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    with NatsServer(tmp_path / "nats") as server:
        yield server


@pytest.fixture
async def client(nats_server: NatsServer) -> AsyncIterator[Client]:
    """A client of a server that has the streams, and the messages already."""
    client = await nats.connect(nats_server.url)
    jetstream = client.jetstream()
    await jetstream.add_stream(name="ORDERS", subjects=["orders.>"])
    await jetstream.add_stream(name="BILLING", subjects=["billing.>"])
    for event, orders in MESSAGES.items():
        for order in orders:
            await jetstream.publish(f"orders.order.{event}", json.dumps(order).encode())
    await jetstream.publish("orders.order.packed", struct.pack(">I", 11))
    yield client
    await client.close()


async def published(client: Client) -> list[tuple[str, object]]:
    """What the system has published to the other stream."""
    jetstream = client.jetstream()
    last = (await jetstream.stream_info("BILLING")).state.messages
    found = [await jetstream.get_msg("BILLING", number) for number in range(1, last + 1)]
    return sorted((message.subject or "", json.loads(message.data or b"")) for message in found)


INVOICE = [("billing.customer.told", {"order": 2}), ("billing.invoice.written", {"order": 2, "total": 40})]


def program(system: str, sections: Callable[[str], bool], end: str = "asyncio.run(app.run())\n") -> str:
    """The blocks of a system under these headings as one program."""
    return "\n\n".join([block.text for block in of(system) if sections(block.heading)] + [end])


def started(source: str, python: Path, server: NatsServer, folder: Path) -> ManagedProcess:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment = {**kept, "NATS_URL": server.url, "PYTHONUNBUFFERED": "1"}
    return ManagedProcess([python, "-c", source], name="rival", log_folder=folder, environment=environment)


def says(process: ManagedProcess, wanted: set[str]) -> None:
    """Waits until the process has printed all that."""
    wait_until(lambda: wanted <= {*process.lines()}, limit=LIMIT, what=f"{wanted}", alive=process.check_alive)


async def asked(client: Client) -> object:
    """What is replied to a request; then the message that makes the system ask the same of itself.

    Not before: FastStream may handle it while nobody replies yet, and rejects it then.
    """
    deadline = time.monotonic() + LIMIT
    while True:
        try:
            reply = await client.request("v1.billing.quote", b'{"number": 1}', timeout=LIMIT)
            break
        except NoRespondersError:
            assert time.monotonic() < deadline, "nobody replies"
            await asyncio.sleep(0.05)
    await client.jetstream().publish("orders.order.asked", b'{"number": 10}')
    return json.loads(reply.data)


async def test_faststreams_form(rivals: Path, nats_server: NatsServer, client: Client, tmp_path: Path) -> None:
    with started(program(FASTSTREAM, lambda heading: True), rivals, nats_server, tmp_path) as process:
        assert await asked(client) == {"cents": 100}
        says(process, DONE | {"quoted 1000", "packed 11"})
    assert await published(client) == INVOICE
    assert "shipped 8" not in process.lines()


async def test_fsai_nats_apps_form(rivals: Path, nats_server: NatsServer, client: Client, tmp_path: Path) -> None:
    with started(
        program(FSAI, lambda heading: not heading.startswith("Formats")), rivals, nats_server, tmp_path
    ) as process:
        says(process, DONE)
    assert await published(client) == INVOICE
    assert "shipped 8" not in process.lines()


@pytest.mark.usefixtures("client")
def test_fsai_nats_apps_parser(rivals: Path, nats_server: NatsServer, tmp_path: Path) -> None:
    source = program(FSAI, lambda heading: heading.startswith(("The app", "Formats")))
    with started(source, rivals, nats_server, tmp_path) as process:
        says(process, {"packed 11"})


@pytest.mark.slow  # they are others' tests
@pytest.mark.parametrize("system", [FASTSTREAM, FSAI])
def test_tests_of_the_others_pass(system: str, rivals: Path, nats_server: NatsServer) -> None:
    source = program(system, lambda heading: True, end="asyncio.run(test_order_created())\n")
    run([rivals, "-c", source], limit=LIMIT, environment={"NATS_URL": nats_server.url})


def made_in(workspace: Path) -> Path:
    """The service that the document's commands make, with the files that it shows."""
    for command in [command for block in commands() for command in block.commands]:
        natsgen(workspace, *shlex.split(command)[1:])
    service = workspace / "services/billing"
    put_files(natsgens(), service)
    return service


async def test_natsgens_form(nats_server: NatsServer, client: Client, tmp_path: Path) -> None:
    service = made_in(tmp_path)
    [env] = settings()
    (service / ".env").write_text(env.text)
    environment = {"NATS_URL": nats_server.url, "CONSUL_ENABLED": "false"}  # which goes before `.env`

    with GeneratedService(service, python=sys.executable, log_folder=tmp_path, settings=environment) as worker:

        def said() -> set[str]:
            return {f"{record['message']} {record.get('number')}" for record in worker.log_records()}

        assert await asked(client) == {"result": {"cents": 100}}
        wait_until(lambda: said() >= DONE | {"quoted 1000", "packed 11"}, limit=LIMIT, what="all that was sent")
        dead = await client.jetstream().stream_info("DLQ")

    assert await published(client) == INVOICE
    assert "shipped 8" not in said()
    assert dead.state.messages == 1  # which was rejected


@pytest.mark.slow  # tests/documents/test_service_readme.py runs a service's own tests
def test_natsgens_tests_pass(tmp_path: Path) -> None:
    service = made_in(tmp_path)
    tests = [block.place for block in natsgens() if block.place.startswith("tests/")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *tests],
        cwd=service,
        env=letters.environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr


def test_the_versions_are_those_that_run() -> None:
    pinned = (ROOT / "benchmarks/requirements.txt").read_text()
    said = (ROOT / DOCUMENT).read_text()
    [faststream] = re.findall(r"^faststream(?:\[nats\])?==(\d+\.\d+)\.", pinned, re.M)
    [fsai] = re.findall(r"^fsai-nats-app==(\S+)", pinned, re.M)
    assert f"code of FastStream {faststream} and fsai-nats-app {fsai}, " in said
