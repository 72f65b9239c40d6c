"""A generated README as it stands: its commands are typed beside the running service, its code runs inside of it.

One service with a part of every kind, and a gateway of each framework, which has a section of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from natsgen.harness.nats_server import NatsServer
from natsgen.harness.service import GeneratedService
from natsgen.harness.waiting import wait_until
from tests.documents.blocks import Block, blocks_of, read_blocks
from tests.documents.conftest import is_as_documented, natsgen, put_files, run_inside
from tests.smoke import letters

ROOT = Path(__file__).parents[2]
TESTS_SECONDS = 300.0
ROUTE = ("--route", "POST /greet=v1.greeter.greet")
PARTS = "{events_test: events.test}"
SERVICES = {
    "greeter": [
        *("worker", "greeter", "--subject", "orders.order.created", "--action", "greet"),
        *("--queue", "emails=send_email", "--data", f"publishers={PARTS}", "--data", f"subscribers={PARTS}"),
    ],
    "api": ["gateway", "api", "--framework", "fastapi", *ROUTE],
    "web": ["gateway", "web", "--framework", "django", *ROUTE],
}
NATS_CLI = "the CLI of NATS is not among the tests' tools; tests/smoke/test_plain_clients.py asks the same"
CONTAINERS = "tests/smoke/test_containers.py"
NOT_TYPED = {
    "python3 -m venv .venv && . .venv/bin/activate": "tests/smoke runs services in such environments",
    "pip install -r requirements.txt": "as above",
    "pip install -r requirements-dev.txt": "as above",
    "ruff check . && ruff format --check . && mypy": "make smoke types it in every kind of service",
    "uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url "
    "-o requirements.txt": "it asks an index; make requirements does the same",
    "docker compose -f compose/{name}.yml up -d --build": CONTAINERS,
    "docker compose -f compose/{name}.yml port {name} 8080": CONTAINERS,
    "docker compose -f compose/{name}.yml logs -f {name}": CONTAINERS,
    'nats req v1.{name}.greet \'{{"name": "Ada"}}\'': NATS_CLI,
    "nats sub events.test": NATS_CLI,
    "nats micro ls": NATS_CLI,
    "nats micro info {name}": NATS_CLI,
    "nats micro stats {name}": NATS_CLI,
}
"""Commands that are not typed here, and why, or what types them."""
HERE = ("cd services/{name}", "python -m src.main", "pytest tests/")
"""Commands that the fixtures carry out, or a test of their own."""

MODELS = """
from pydantic import BaseModel

class OrderCreated(BaseModel): ...
class OrderCreatedRequest(BaseModel): ...
class OrderCreatedResponse(BaseModel): ...
class Reading(BaseModel):
    value: int
class GreetRequest(BaseModel):
    name: str
class GreetResponse(BaseModel):
    message: str
"""
IMPORTED = {
    "Write handlers": """
from src.domain.events import Event
from src.infrastructure.subscription import Message, subscriber
""",
    "Write publishers": """
from src.domain.messages import EnvelopeMessage
from src.pubsub.periodic import Tick, publishes
""",
    "Write subscribers": """
from src.domain.messages import EnvelopeMessage
from src.pubsub.listening import Context, listens
""",
    "Write tasks": """
from src.domain.tasks.send_email_task import Receipt, SendEmail, send_email
from src.toolkit.sync import SyncNats
from src.tasks import enqueue, task
""",
    "Write actions": "from src.actions.action import Context, action\n",
    "Call others": "",
    "Write routes": {
        "api": "from fastapi import APIRouter\nfrom src.web.fastapi import Connection\n",
        "web": "from django.http import HttpRequest\nfrom src.web.django import read, route\n",
    },
}
"""What the text around a block says that it is imported, by heading."""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = tmp_path_factory.mktemp("shop")
    for arguments in SERVICES.values():
        natsgen(workspace, "new", *arguments)
    return workspace


@pytest.fixture(scope="module")
def running(workspace: Path, server: NatsServer) -> Iterator[dict[str, GeneratedService]]:
    """All three services, started as their READMEs say."""
    with ExitStack() as stack:
        services = {}
        for name in SERVICES:
            settings = {"NATS_URL": server.url, "CONSUL_ENABLED": "false", "PUBLISH_INTERVAL": "0.2"}
            folder = workspace / "services" / name
            service = GeneratedService(folder, python=sys.executable, log_folder=workspace, settings=settings)
            services[name] = stack.enter_context(service)
        for service in services.values():
            service.wait_ready()
        yield services


def documented(workspace: Path, name: str) -> list[Block]:
    return blocks_of((workspace / "services" / name / "README.md").read_text(), name)


def commands(workspace: Path, name: str) -> list[str]:
    return [line for block in documented(workspace, name) if block.language == "sh" for line in block.commands]


def type_in(command: str, service: Path, server: NatsServer, limit: float = letters.LIMIT) -> str:
    """What a command says, typed in the service's folder where its requirements are installed."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = letters.environment(NATS_URL=server.url, CONSUL_ENABLED="false") | {"PATH": path}
    done = subprocess.run(
        ["sh", "-euc", command], cwd=service, env=environment, capture_output=True, text=True, timeout=limit
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def left_out(name: str) -> set[str]:
    return {command.format(name=name) for command in (*NOT_TYPED, *HERE)}


def test_commands_do_what_they_say(workspace: Path, running: dict[str, GeneratedService], server: NatsServer) -> None:
    service = workspace / "services/greeter"
    typed = [command for command in commands(workspace, "greeter") if command not in left_out("greeter")]

    published, enqueued, _ = [type_in(command, service, server) for command in typed]

    assert published.startswith("PubAck(stream='ORDERS'")
    assert enqueued == "None\n"
    stats = running["greeter"].stats
    wait_until(
        lambda: [stats()["subscriptions"][name]["handled"] for name in ("order_created", "send_email")] == [1, 1],
        limit=letters.LIMIT,
        what="the event and the task",
    )
    wait_until(lambda: stats()["subscribers"][0]["heard"] > 1, limit=letters.LIMIT, what="the subscriber")
    assert stats()["publishers"][0]["sequence"] > 0


@pytest.mark.skipif(not shutil.which("curl"), reason="no `curl` on PATH")
@pytest.mark.parametrize("name", ["api", "web"])
def test_a_gateway_answers_what_is_typed(
    name: str, workspace: Path, running: dict[str, GeneratedService], server: NatsServer
) -> None:
    typed = [command for command in commands(workspace, name) if command not in left_out(name)]
    [curl] = typed

    said = type_in(curl.replace("localhost:8080", f"127.0.0.1:{running[name].port}"), workspace, server)

    assert said.startswith("HTTP/1.1 200")
    assert said.endswith('{"message":"Hello Ada!"}')


def test_commands_that_are_not_typed_stand_in_the_document(workspace: Path) -> None:
    assert left_out("greeter") <= {*commands(workspace, "greeter")}


def code(workspace: Path, name: str) -> list[Block]:
    return [block for block in documented(workspace, name) if block.language == "python"]


def test_code_runs_inside_of_the_service(workspace: Path, tmp_path: Path) -> None:
    service = Path(shutil.copytree(workspace / "services/greeter", tmp_path / "greeter"))
    # its task as docs/toolkit.md has it, with the fields that this document speaks of
    put_files([block for block in read_blocks(ROOT, "docs/toolkit.md") if "send_email" in block.place], service)
    blocks = code(workspace, "greeter")
    settings = {"PUBLISH_INTERVAL": "0.2"}

    with NatsServer(tmp_path / "nats") as server:
        said = run_inside(service, [*map(whole, blocks)], server, settings)

    assert {block.heading for block in blocks} == IMPORTED.keys() - {"Write routes"}
    for block in blocks:
        is_as_documented(block, said[block.name])


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize("name", ["api", "web"])
def test_code_of_a_gateway_runs_inside_of_it(name: str, workspace: Path, server: NatsServer) -> None:
    """What is the same in every README has run already."""
    shown = [block.text for block in code(workspace, "greeter")]
    [block] = [block for block in code(workspace, name) if block.text not in shown]

    said = run_inside(workspace / "services" / name, [whole(block)], server)

    assert block.heading == "Write routes"
    is_as_documented(block, said[block.name])


def whole(block: Block) -> Block:
    """The block with what the text around it says that is imported."""
    imported = IMPORTED[block.heading]
    return replace(
        block, text=MODELS + (imported if isinstance(imported, str) else imported[block.document]) + block.text
    )


def test_the_services_own_tests_pass(workspace: Path, server: NatsServer) -> None:
    assert "pytest tests/" in commands(workspace, "greeter")
    said = type_in("pytest tests/", workspace / "services/greeter", server, TESTS_SECONDS)
    assert " passed" in said
    assert " failed" not in said
