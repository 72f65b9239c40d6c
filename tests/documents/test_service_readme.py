"""A generated README as it stands: its tables are true, its commands work, and its code runs inside of the service."""

from __future__ import annotations

import os
import re
import resource
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import nats
import pytest

from natsgen.harness.nats_server import NatsServer
from natsgen.harness.service import GeneratedService
from natsgen.harness.waiting import wait_until
from tests.documents.blocks import Block, blocks_of
from tests.documents.conftest import is_as_documented, natsgen, run_inside
from tests.harness_tools.readiness import wait_ready
from tests.smoke.letters import LIMIT

SUITE_SECONDS = 5.0  # of CPU that the tests of a default worker may take
SERVICES = {
    "billing": ["worker", "billing", "--subject", "orders.order.created"],
    "plain": ["worker", "plain", "--subject", "orders.*.created", "--envelope", "message", "--dedup", "nats-kv"],
    "clouds": ["worker", "clouds", "--subject", "orders.>", "--envelope", "cloudevents"],
    "api": ["gateway", "api", "--framework", "fastapi", "--route", "POST /greet=v1.greeter.greet"],
}
CONTAINERS = "tests/smoke/test_containers.py"
NOT_TYPED = {
    "cd services/billing": "where the tests are",
    "make setup test": "setup asks an index; tests/smoke runs services in such environments; test is typed below",
    ".venv/bin/nats-server -js &": "the tests start one themselves",
    "make run": "it is the same as what GeneratedService starts",
    "docker compose -f compose/billing.yml up -d --build --wait": CONTAINERS,
    "docker compose -f compose/billing.yml port billing 8080": CONTAINERS,
    "docker compose -f compose/billing.yml stop billing": CONTAINERS,
}
"""Commands that are not typed here, and why, or what types them."""

IMPORTED = """
from decimal import Decimal
from pydantic import BaseModel
from src.domain.events import Event
from src.infrastructure.errors import Reject
from src.infrastructure.subscription import Message, subscriber
from src.utils.logging import logger
"""
DEFAULTS = """
from src.config import Settings
for name, field in Settings.model_fields.items():
    value = field.default
    shown = "the host name" if name == "HOSTNAME" else "" if value is None else f"`{value}`"
    print(f"| `{name}` | {shown.lower() if isinstance(value, bool) else shown} | {field.description} |")
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = tmp_path_factory.mktemp("shop")
    for arguments in SERVICES.values():
        natsgen(workspace, "new", *arguments)
    return workspace


@pytest.fixture(scope="module", params=[name for name in SERVICES if name != "api"])
def worker(
    request: pytest.FixtureRequest, workspace: Path, server: NatsServer
) -> Iterator[tuple[Path, GeneratedService]]:
    folder = workspace / "services" / request.param
    settings = {"NATS_URL": server.url, "CONSUL_ENABLED": "false"}
    with GeneratedService(folder, python=sys.executable, log_folder=workspace, settings=settings) as running:
        wait_ready(running)
        yield folder, running


def readme(workspace: Path, name: str = "billing") -> str:
    return (workspace / "services" / name / "README.md").read_text()


def commands(text: str) -> list[str]:
    return [line for block in blocks_of(text, "README.md") if block.language == "sh" for line in block.commands]


def section(text: str, heading: str) -> str:
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("name", SERVICES)
def test_the_settings_are_those_of_config(name: str, workspace: Path) -> None:
    command = [sys.executable, "-c", DEFAULTS]
    done = subprocess.run(command, cwd=workspace / "services" / name, env={}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    rows = [line for line in section(readme(workspace, name), "Configure").splitlines() if line.startswith("| `")]

    assert rows == done.stdout.splitlines()


def test_the_files_of_infrastructure_are_listed(workspace: Path) -> None:
    rows = re.findall(r"^\| `(\w+\.py)` \| .+ \|$", section(readme(workspace), "Who owns what"), re.MULTILINE)
    folder = workspace / "services/billing/src/infrastructure"

    assert rows == sorted(path.name for path in folder.glob("*.py") if path.name != "__init__.py")


@pytest.mark.parametrize("name", SERVICES)
def test_links_and_targets_are_there(name: str, workspace: Path) -> None:
    text, folder = readme(workspace, name), workspace / "services" / name
    makefile = (folder / "Makefile").read_text()

    targets = {word for line in re.findall(r"\bmake ([a-z ]+)", text) for word in line.split()} & {
        *re.findall(r"^([a-z]+):", makefile, re.MULTILINE)
    }
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)

    assert targets == {"setup", "test", "run", "lint", "lock", "image"}
    assert [link for link in links if not (folder / link).exists()] == []


async def test_an_event_that_is_published_as_it_says_is_handled(
    worker: tuple[Path, GeneratedService], server: NatsServer
) -> None:
    folder, running = worker
    [command] = [line for line in commands((folder / "README.md").read_text()) if line.startswith("nats pub")]
    *_, subject, payload = shlex.split(command)

    client = await nats.connect(server.url)
    await client.publish(subject, payload.encode())  # as `nats pub` does
    await client.close()

    wait_until(
        lambda: [one["handled"] for one in running.stats()["subscriptions"].values()] == [1],
        limit=LIMIT,
        what="the event is handled",
    )


def test_commands_that_are_not_typed_stand_in_the_document(workspace: Path) -> None:
    assert {line for line in commands(readme(workspace)) if not line.startswith("nats pub")} == NOT_TYPED.keys()


def test_code_runs_inside_of_the_service(workspace: Path, server: NatsServer) -> None:
    [block] = [block for block in blocks_of(readme(workspace), "README.md") if block.language == "python"]

    said = run_inside(workspace / "services/billing", [whole(block)], server)

    assert block.heading == "Write a handler"
    is_as_documented(block, said[block.name])


def whole(block: Block) -> Block:
    """Return the block with the imports that it leaves out."""
    return replace(block, text=IMPORTED + block.text)


def test_the_services_own_tests_pass(workspace: Path, tmp_path: Path) -> None:
    command = ["make", "test", f"bin={Path(sys.executable).parent}"]
    # a folder of its own, since the one that tests share is cleaned up meanwhile
    environment = {**os.environ, "PYTEST_ADDOPTS": f"--durations=5 --basetemp={tmp_path / 'own'}"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, cwd=workspace / "services/billing", env=environment, capture_output=True, text=True, timeout=300
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d+ passed", done.stdout), done.stdout
    assert after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime < SUITE_SECONDS, done.stdout


@pytest.mark.parametrize("name", ["plain", "clouds"])
def test_tests_of_other_envelopes_pass(name: str, workspace: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q"]
    done = subprocess.run(command, cwd=workspace / "services" / name, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stdout + done.stderr
