"""README.md and the guides as they stand: commands are typed in one workspace, and code is that of what they made."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import re
import shlex
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
from tests.harness_tools.readiness import wait_ready
from tests.smoke import letters
from tests.smoke.letters import LIMIT
from tests.update import world

ROOT = Path(__file__).parents[2]
GUIDES = (
    "handlers actions gateways publishers queues dedup extras testing configuration monorepo-ci updating dead-letters "
    "backstage map"
)
DOCUMENTS = [
    "README.md",
    *(f"docs/guides/{name}.md" for name in GUIDES.split()),
    "docs/reference/json.md",
    "docs/upgrading.md",
]
BLOCKS = [block for document in DOCUMENTS for block in read_blocks(ROOT, document)]
[EVENT] = read_blocks(ROOT, "docs/guides/envelopes.md")
[STATS] = read_blocks(ROOT, "docs/reference/endpoints.md")
LETTERS = range(15, 20)  # sequences, among them those that the documents name

QUICK_START = "Quick start"
RUFF = Path(sys.executable).with_name("ruff")
HANDLERS = {"Write a handler", "Share resources"}

NOT_TYPED = {
    "make demo": "tests/smoke/test_demo.py::test_it_shows_a_worker_from_the_first_line_to_the_clean_shutdown",
    "make test": "these are the tests",
    "uv tool install '.[dev]'": "tests/unit/test_wheel.py::test_installed_it_makes_the_same_worker_as_the_checkout",
    "natsgen dev": "tests/dev/test_session.py",
    "natsgen publish billing order_created --data '{\"total\": 40}'": "tests/dev/test_messages.py",
    "docker compose -f compose/billing.yml up -d --build --wait": "tests/smoke/test_containers.py does",
    "(cd services/billing && make setup test)": "tests/documents/test_service_readme.py types make test",
    "(cd services/billing && make lint)": "natsgen smoke does",
    'nats req v1.greeter.greet \'{"name": "Ada"}\'': "the CLI of NATS is not among the tests' tools; "
    "tests/smoke/test_plain_clients.py asks the same by nats-py and Node",
    "nats micro ls": "as above",
    "natsgen map --check": "what was typed before does not fit together; tests/unit/test_contracts.py",
    "natsgen map --check --external 'payments.>'": "as above",
    "natsgen asyncapi --all --static --diff HEAD": "as above",
    "natsgen asyncapi --all --diff asyncapi.json": "as above",
    "natsgen asyncapi --all --check --output asyncapi.json": "as above",
    "uv tool upgrade natsgen": "it asks an index",
    "natsgen lock billing": "it asks an index; tests/update/test_owners_files.py",
    "natsgen update billing --to 1.2.0": "there is no such release yet; tests/update/test_update.py",
    "natsgen update --continue billing": "needs a conflict; tests/update/test_conflicts.py",
    "natsgen accept billing Dockerfile": "needs a change of it; tests/update/test_owners_files.py",
    "natsgen dlq purge --service billing --until 30d": "it asks at a terminal; tests/unit/test_dlq_commands.py, and "
    "tests/smoke/test_dlq.py with --yes",
}
"""Commands that are not typed here, and why, or what types them."""

MADE = {
    "Create a service that answers": "greeter/src/domain/actions/greet_action.py",
    "Create a gateway": "api/src/web/routes/greet_route.py",
    "Create a worker with a queue": "mailer/src/domain/tasks/send_email_task.py",
    "Publishers": "beat/src/domain/publishers/events_test_publisher.py",
    "Subscribers": "ear/src/domain/subscribers/events_test_subscriber.py",
    "Tests with the whole service": "billing/tests/handlers/test_order_created_handler.py",
}
"""Blocks, by heading, that show what a command has made: where that is."""


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
        for command in typed_here(block):
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


def typed_here(block: Block) -> list[str]:
    return [command for command in block.commands if command not in NOT_TYPED]


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
    wanted = [(block, command) for block in BLOCKS if block.language == "sh" for command in typed_here(block)]
    return [pytest.param(block, command, id=command) for block, command in wanted]


@pytest.mark.parametrize(("block", "command"), commands())
def test_commands_do_what_they_say(block: Block, command: str, typed: Typed) -> None:
    done = typed.said[block.name][command]
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_commands_that_are_not_typed_stand_in_a_document() -> None:
    there = {command for block in BLOCKS if block.language == "sh" for command in block.commands}
    assert NOT_TYPED.keys() <= there


def test_the_commands_have_made_what_they_say(typed: Typed) -> None:
    def there(service: str, part: str) -> bool:
        return (typed.workspace / "services" / service / "src" / part).exists()

    assert there("greeter", "domain/actions/greet_v2_action.py")
    assert not there("greeter", "domain/actions/farewell_action.py")
    assert there("billing", "domain/handlers/audit_handler.py")
    assert not there("billing", "domain/handlers/order_cancelled_handler.py")
    assert there("billing", "inbox/kv_inbox.py")
    assert there("parcels", "toolkit/streams.py")
    assert not there("parcels", "toolkit/decoders.py")
    assert (typed.workspace / ".github/workflows").is_dir()
    shown = typed.said["docs/guides/monorepo-ci.md / List services / 1"]["natsgen show billing"]
    assert "billing-audit" in shown.stdout


def runs(block: Block) -> bool:
    """Whether a test here deals with this block."""
    shown = block.heading in {QUICK_START, *HANDLERS, *MADE} or is_defaults(block) or is_file_of_a_gateway(block)
    return (
        (block.document in DOCUMENTS and (block.language in ("sh", "json") or shown))
        or is_tree(block)
        or block in (EVENT, STATS)
    )


def is_defaults(block: Block) -> bool:
    return block.language == "toml" and block.heading == "Defaults of your organisation"


def is_file_of_a_gateway(block: Block) -> bool:
    return block.document == "docs/guides/gateways.md" and bool(block.place)


def is_tree(block: Block) -> bool:
    return block.name == "docs/concepts/ownership.md / What a service consists of / 1"


@pytest.mark.parametrize(
    "block", [b for b in BLOCKS if b.heading in MADE and b.language == "python"], ids=lambda b: b.name
)
def test_code_that_is_shown_is_what_is_made(block: Block, typed: Typed) -> None:
    """Imports and docstrings may be left out in the document."""
    made = statements((typed.workspace / "services" / MADE[block.heading]).read_text())
    assert [statement for statement in statements(block.text) if statement not in made] == []


def statements(source: str) -> list[str]:
    """The statements of a module without their docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:]
    return [ast.dump(statement) for statement in tree.body]


def test_a_route_that_is_shown_is_a_route(typed: Typed) -> None:
    [route] = [block for block in BLOCKS if is_file_of_a_gateway(block)]
    gateway = typed.workspace / "services/api"
    put_files([route], gateway)
    shown = "from src.web.routes.email_route import router; print(router.routes)"
    done = subprocess.run([sys.executable, "-c", shown], cwd=gateway, env={}, capture_output=True, text=True)
    assert "/emails" in done.stdout, done.stderr


def test_the_tree_that_is_shown_is_what_is_made(typed: Typed) -> None:
    [tree] = [block for block in read_blocks(ROOT, "docs/concepts/ownership.md") if is_tree(block)]
    shown = re.findall(r"[\w.-]+(?:\.\w+|/|file)(?= |$)", tree.text, re.M)
    made = {path.name for path in typed.workspace.rglob("*")}
    assert len(shown) > 15
    assert [name for name in shown if name.strip("/").split("/")[-1] not in made] == []


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "json"], ids=lambda block: block.name)
def test_documents_have_the_keys_that_are_shown(block: Block, typed: Typed) -> None:
    command = next(one for one in BLOCKS if one.language == "sh" and one.heading == block.heading)
    [said] = typed.said[command.name].values()
    assert differences(json.loads(block.text), json.loads(said.stdout)) == []


def differences(shown: Any, said: Any, where: str = "") -> list[str]:
    """Where two documents have other keys; what is empty in one of them agrees with anything."""
    if isinstance(shown, dict) and isinstance(said, dict) and shown and said:
        other = [f"{where}.{key}" for key in shown.keys() ^ said.keys()]
        return other + [one for key in shown.keys() & said.keys() for one in differences(shown[key], said[key], key)]
    if isinstance(shown, list) and isinstance(said, list) and shown and said:
        return differences(shown[0], said[0], where)
    return []


def test_defaults_of_an_organisation_answer_the_questions(tmp_path: Path) -> None:
    [defaults] = [block.text for block in BLOCKS if is_defaults(block)]
    (tmp_path / "natsgen.toml").write_text(defaults)

    natsgen(tmp_path, "new", "worker", "billing", "--subject", "orders.order.created")

    answers = yaml.safe_load((tmp_path / "services/billing/.copier-answers.yml").read_text())
    wanted = tomllib.loads(defaults)["defaults"]
    assert (answers["python_version"], answers["registry"], answers["labels"]) == tuple(wanted.values())


def test_figures_of_the_readme_are_those_of_the_measurements() -> None:
    text = " ".join((ROOT / "README.md").read_text().split("## Why")[1].split("\n## ")[0].split())
    for point in text.split("- **")[1:]:
        for document in set(re.findall(r"docs/(?:performance|reliability)\.md", point)):
            measured = (ROOT / document).read_text()
            missing = [one for one in re.findall(r"\d+[.,]\d+", point) if one not in measured]
            assert missing == [], f"{document} does not say {missing}"


def test_the_quick_start_ends_with_a_handled_event(tmp_path: Path, server: NatsServer) -> None:
    blocks = [block for block in BLOCKS if block.heading == QUICK_START]
    typed = [shlex.split(command) for block in blocks if block.language == "sh" for command in block.commands]
    natsgen(tmp_path, *typed[0][1:])
    put_files(blocks, tmp_path)
    subprocess.run([RUFF, "check", "--quiet", tmp_path], check=True)
    [data] = [json.loads(words[-1]) for words in typed if words[:2] == ["natsgen", "publish"]]
    asyncio.run(publish_events(server.url, [data, {"total": -1}]))

    with worker_of(tmp_path / "services/billing", server) as worker:
        wait_until(lambda: len(said(worker, "dead letter")) == 1, limit=20, what="both events")
        stats = worker.stats()
    assert differences(json.loads(STATS.text), stats) == []
    [written] = said(worker, "invoice written")
    assert (written["order"], written["total"]) == ("order-0", data["total"])


EVENTS = [{"total": 40, "currency": "EUR"}, {"total": -1, "currency": "EUR"}, {"total": 40, "currency": "USD"}]
"""One is handled, one rejected, one tried again later."""


def test_handlers_that_are_shown_handle(tmp_path: Path, server: NatsServer) -> None:
    natsgen(tmp_path, "new", "worker", "billing", "--subject", "orders.order.created")
    service = tmp_path / "services/billing"
    put_files([block for block in BLOCKS if block.heading in HANDLERS], service)
    subprocess.run([RUFF, "check", "--quiet", service], check=True)
    asyncio.run(publish_events(server.url, EVENTS))

    with worker_of(service, server, INVOICE_PREFIX="EU") as worker:

        def counts() -> tuple[int, dict[str, int], int]:
            stats = worker.stats()["subscriptions"]["order_created"]
            return stats["handled"], stats["dead_letters"], stats["retried"]

        wait_ready(worker)
        wait_until(lambda: counts() == (1, {"rejected": 1}, 1), limit=20, what="all three events")
        written = asyncio.run(invoice_of_an_order(server.url))
        wait_until(lambda: said(worker, "took"), limit=20, what="the middleware to have measured")
    assert [record["order"] for record in said(worker, "invoice written")] == ["order-0"]
    assert written == {"number": "EU-order-7", "total": 40}


def worker_of(service: Path, server: NatsServer, **settings: str) -> GeneratedService:
    known = {"NATS_URL": server.url, "CONSUL_ENABLED": "false", **settings}
    return GeneratedService(service, python=sys.executable, log_folder=service.parent, settings=known)


def said(worker: GeneratedService, message: str) -> list[dict[str, Any]]:
    return [record for record in worker.log_records() if record["message"] == message]


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


async def publish_events(url: str, contents: list[dict[str, Any]]) -> None:
    await put_letters(url)
    client = await nats.connect(url)
    for number, data in enumerate(contents):
        event = json.loads(EVENT.text) | {"id": f"{number}", "aggregateId": f"order-{number}", "data": data}
        await client.jetstream().publish("orders.order.created", json.dumps(event).encode())
    await client.close()
