"""README.md as it stands: its commands are typed in one workspace, and its code is that of services that they made."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
import pytest
import yaml

from natsgen.harness.nats_server import NatsServer
from natsgen.harness.service import GeneratedService
from natsgen.harness.waiting import wait_until
from tests.documents.blocks import Block, read_blocks
from tests.documents.conftest import natsgen, put_files
from tests.smoke import letters
from tests.smoke.letters import LIMIT
from tests.update import world

ROOT = Path(__file__).parents[2]
BLOCKS = read_blocks(ROOT, "README.md")
SHARING = "Share what handlers need"
LETTERS = range(15, 20)  # sequences, among them those that the document names

NOT_TYPED = {
    "make demo": "tests/smoke/test_demo.py::test_it_shows_a_worker_from_the_first_line_to_the_clean_shutdown",
    "make test": "these are the tests",
    "uv tool install .": "tests/unit/test_wheel.py::test_installed_it_makes_the_same_worker_as_the_checkout",
    "(cd services/billing && python3 -m venv .venv && .venv/bin/pip install -r requirements-dev.txt)": "it asks an "
    "index; tests/harness/test_environment.py installs from the same file",
    "(cd services/billing && .venv/bin/pytest tests/)": "tests/documents/test_service_readme.py types it",
    "docker compose -f compose/billing.yml up -d --build --wait": "tests/smoke/test_containers.py does",
    'nats req v1.greeter.greet \'{"name": "Ada"}\'': "the CLI of NATS is not among the tests' tools; "
    "tests/smoke/test_plain_clients.py asks the same by nats-py and Node",
    "nats micro ls": "as above",
    "natsgen update billing --to 1.2.0": "there is no such release yet; tests/update/test_update.py",
    "natsgen update --continue billing": "needs a conflict; tests/update/test_conflicts.py",
    "natsgen new worker billing --subject orders.order.created --template "
    "https://git.example.com/platform/service-template.git": "tests/update/test_new_template.py",
    "natsgen new worker billing --subject orders.order.created --template ../service-template@1.2.0": "as above",
    "natsgen adopt services/legacy": "needs a hand-written worker; tests/update/test_adopt.py",
    "natsgen dlq purge --service billing --until 30d": "it asks at a terminal; tests/unit/test_dlq_commands.py, and "
    "tests/smoke/test_dlq.py with --yes",
    "natsgen smoke": "make smoke does",
    "natsgen smoke --template ../our-template --matrix full --junit report.xml": "tests/smoke_command/test_command.py",
}
"""Commands that are not typed here, and why, or what types them."""

MADE = {
    "Make a service that answers requests": "greeter/src/domain/actions/greet_action.py",
    "Make a gateway": "api/src/web/routes/greet_route.py",
    "Make a worker with a task queue": "mailer/src/domain/tasks/send_email_task.py",
    "events_test_publisher.py": "beat/src/domain/publishers/events_test_publisher.py",
    "events_test_subscriber.py": "ear/src/domain/subscribers/events_test_subscriber.py",
}
"""Blocks, by heading or file, that show what a command has made: where that is."""


@dataclass(frozen=True)
class Typed:
    """A workspace in which the commands were typed, and what each said, by block and command."""

    workspace: Path
    said: dict[str, dict[str, subprocess.CompletedProcess[str]]]


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory, server: NatsServer) -> Typed:
    """All that is typed, in order; what a block has made is committed before the next, as a person would."""
    workspace = tmp_path_factory.mktemp("shop")
    world.commit(workspace, "empty")
    said: dict[str, dict[str, subprocess.CompletedProcess[str]]] = {}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = letters.environment(NATS_URL=server.url, CONSUL_HOST="127.0.0.1") | {"PATH": path}
    for block in BLOCKS:
        if block.language != "sh":
            continue
        said[block.name] = {}
        for command in block.commands:
            if command not in NOT_TYPED:
                if "dlq" in command:
                    asyncio.run(put_letters(server.url))
                said[block.name][command] = subprocess.run(
                    ["sh", "-euc", command],
                    cwd=workspace,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=LIMIT,
                )
        world.commit(workspace, block.name)
    return Typed(workspace, said)


async def put_letters(url: str) -> None:
    """The stream of dead letters as if it were new, with a few letters, and streams for what is replayed."""
    client = await nats.connect(url)
    jetstream = client.jetstream()
    for stream in await jetstream.streams_info():
        await jetstream.delete_stream(stream.config.name or "")
    await jetstream.add_stream(name="ORDERS", subjects=["orders.>"])
    await letters.make_stream(jetstream)
    await jetstream.purge_stream("DLQ", seq=LETTERS.start)
    await letters.fill(jetstream, LETTERS.stop - 1)
    await jetstream.purge_stream("DLQ", seq=LETTERS.start)
    await client.close()


def commands() -> list[Any]:
    blocks = [block for block in BLOCKS if block.language == "sh"]
    wanted = [(block, command) for block in blocks for command in block.commands if command not in NOT_TYPED]
    return [pytest.param(block, command, id=command) for block, command in wanted]


@pytest.mark.parametrize(("block", "command"), commands())
def test_commands_do_what_they_say(block: Block, command: str, typed: Typed) -> None:
    done = typed.said[block.name][command]
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_commands_that_are_not_typed_stand_in_the_document() -> None:
    there = {command for block in BLOCKS if block.language == "sh" for command in block.commands}
    assert NOT_TYPED.keys() <= there


def test_the_commands_have_made_what_they_say(typed: Typed) -> None:
    def there(service: str, part: str) -> bool:
        return (typed.workspace / "services" / service / "src/domain" / part).exists()

    assert there("greeter", "actions/greet_v2_action.py")
    assert not there("greeter", "actions/farewell_action.py")
    assert there("billing", "handlers/audit_handler.py")
    assert not there("billing", "handlers/order_cancelled_handler.py")
    assert (typed.workspace / ".github/workflows").is_dir()
    assert (typed.workspace / "services/parcels/src/toolkit/streams.py").exists()
    assert not (typed.workspace / "services/parcels/src/toolkit/decoders.py").exists()
    assert "billing-audit" in typed.said["README.md / See what is there / 1"]["natsgen show billing"].stdout


def is_defaults(block: Block) -> bool:
    return block.language == "toml" and block.heading == "Defaults of your organisation"


def runs(block: Block) -> bool:
    """Whether a test here deals with this block."""
    shown = block.heading in ("Write a handler", SHARING) or bool(made_as(block)) or "main.py" in block.text
    return block.document == "README.md" and (block.language == "sh" or is_defaults(block) or shown)


def made_as(block: Block) -> str:
    return MADE.get(block.heading, "") or MADE.get(Path(block.place).name, "")


@pytest.mark.parametrize("block", [b for b in BLOCKS if made_as(b) and b.language == "python"], ids=lambda b: b.name)
def test_code_that_is_shown_is_what_is_made(block: Block, typed: Typed) -> None:
    """Imports and docstrings are left out in the document."""
    made = statements((typed.workspace / "services" / made_as(block)).read_text())
    assert [statement for statement in statements(block.text) if statement not in made] == []


def statements(source: str) -> list[str]:
    """The statements of a module without their docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:]
    return [ast.dump(statement) for statement in tree.body]


def test_the_tree_that_is_shown_is_what_is_made(typed: Typed) -> None:
    [tree] = [block for block in BLOCKS if block.language == "" and "main.py" in block.text]
    shown = re.findall(r"[\w.-]+(?:\.\w+|/|file)(?= |$)", re.sub(r"  +\S.*?(?=  |$)", lambda m: m[0], tree.text), re.M)
    made = {path.name for path in typed.workspace.rglob("*")}
    assert len(shown) > 15
    assert [name for name in shown if name.strip("/").split("/")[-1] not in made] == []


def test_defaults_of_an_organisation_answer_the_questions(tmp_path: Path) -> None:
    [defaults] = [block.text for block in BLOCKS if is_defaults(block)]
    (tmp_path / "natsgen.toml").write_text(defaults)

    natsgen(tmp_path, "new", "worker", "billing", "--subject", "orders.order.created")

    answers = yaml.safe_load((tmp_path / "services/billing/.copier-answers.yml").read_text())
    wanted = tomllib.loads(defaults)["defaults"]
    assert (answers["python_version"], answers["registry"], answers["labels"]) == tuple(wanted.values())


EVENTS = [(40, "EUR"), (-1, "EUR"), (40, "USD")]  # total and currency: one is handled, rejected, tried again later


def test_the_handler_that_is_shown_handles(tmp_path: Path, server: NatsServer) -> None:
    [handler] = [block for block in BLOCKS if block.heading == "Write a handler"]
    natsgen(tmp_path, "new", "worker", "billing", "--subject", "orders.order.created")
    service = tmp_path / "services/billing"
    (service / handler.place).write_text(handler.text)
    settings = {"NATS_URL": server.url, "CONSUL_ENABLED": "false"}
    asyncio.run(publish_events(server.url))

    with GeneratedService(service, python=sys.executable, log_folder=tmp_path, settings=settings) as worker:

        def counts() -> tuple[int, dict[str, int], int]:
            stats = worker.stats()["subscriptions"]["order_created"]
            return stats["handled"], stats["dead_letters"], stats["retried"]

        wait_until(lambda: counts() == (1, {"rejected": 1}, 1), limit=20, what="all three events")
        orders = [record["order"] for record in worker.log_records() if record["message"] == "invoice written"]
    assert orders == ["order-0"]


def test_what_is_shared_reaches_the_handler(tmp_path: Path, server: NatsServer) -> None:
    natsgen(tmp_path, "new", "worker", "billing", "--subject", "orders.order.created")
    service = tmp_path / "services/billing"
    put_files([block for block in BLOCKS if block.heading == SHARING], service)
    settings = {"NATS_URL": server.url, "CONSUL_ENABLED": "false", "INVOICE_PREFIX": "EU"}
    asyncio.run(put_letters(server.url))

    with GeneratedService(service, python=sys.executable, log_folder=tmp_path, settings=settings) as worker:
        worker.wait_ready()
        written = asyncio.run(invoice_of_an_order(server.url))
        wait_until(
            lambda: [record for record in worker.log_records() if record["message"] == "took"],
            limit=20,
            what="the middleware to have measured",
        )
    assert written == {"number": "EU-order-7", "total": 40}


async def invoice_of_an_order(url: str) -> Any:
    """What the handler publishes to the stream that the worker has made."""
    client = await nats.connect(url)
    jetstream = client.jetstream()
    invoices = await jetstream.subscribe("billing.invoice.written", stream="BILLING")
    event = {"id": "7", "type": "t", "timestamp": "2024-01-15T10:00:00Z", "aggregateId": "order-7"}
    await jetstream.publish("orders.order.placed", json.dumps(event | {"data": {"total": 40}}).encode())
    written = json.loads((await invoices.next_msg(timeout=20)).data)
    await client.close()
    return written


async def publish_events(url: str) -> None:
    await put_letters(url)
    client = await nats.connect(url)
    for number, (total, currency) in enumerate(EVENTS):
        event = {"id": f"{number}", "type": "t", "timestamp": "2024-01-15T10:00:00Z", "aggregateId": f"order-{number}"}
        data = {"data": {"total": total, "currency": currency}}
        await client.jetstream().publish("orders.order.created", json.dumps(event | data).encode())
    await client.close()
