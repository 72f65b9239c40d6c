"""Ten services that run: their document has what they really do, and AsyncAPI's own parser accepts it."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nats
import pytest
from jsonschema import Draft202012Validator

from natsgen.cli import main
from natsgen.contracts import changes, compatibility
from natsgen.harness.commands import run
from natsgen.harness.environment import environment_for
from natsgen.harness.nats_server import NatsServer
from natsgen.harness.programs import need_program
from natsgen.harness.service import GeneratedService
from natsgen.parts import naming
from tests.harness_tools import node
from tests.harness_tools.nats_admin import connections
from tests.harness_tools.readiness import wait_ready

LIMIT = 300.0  # seconds; ten services start one after the other
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("new", "gateway", "api", "--framework", "fastapi", "--route", "POST /orders=publish:orders.order.created"),
    ("add-route", "api", "POST /greet=v1.greeter.greet"),
    ("new", "gateway", "shop", "--framework", "django", "--route", "POST /carts=publish:carts.cart.filled"),
    ("add-route", "shop", "POST /quote=v1.pricing.quote"),
    ("new", "worker", "billing", "--subject", "orders.order.created"),
    ("new", "worker", "ledger", "--subject", "billing.invoice.written"),
    ("new", "worker", "mailer", "--queue", "emails=send_email"),
    ("add-handler", "mailer", "billing.invoice.*", "--name", "invoice"),
    ("new", "worker", "carts", "--subject", "carts.cart.filled"),
    ("add-handler", "carts", "pricing.quote.given", "--batch"),
    ("new", "service", "greeter", "--action", "greet"),
    ("new", "service", "pricing", "--action", "quote"),
    ("new", "publisher", "beat", "--subject", "events.test"),
    ("new", "subscriber", "ear", "--subject", "events.>"),
    ("add-action", "ear", "mute"),
)
NAMES = sorted(words[2] for words in COMMANDS if words[0] == "new")
HANDLED = '    logger.info("event handled", event_id=event.id, aggregate_id=event.aggregate_id)\n'
EDITS = {
    "billing/src/domain/handlers/order_created_handler.py": (
        HANDLED,
        '    invoice = Event.new("billing.invoice.written", event.aggregate_id, event.data)\n'
        '    await publish("billing.invoice.written", invoice)\n',
        "from src.infrastructure.publishing import publish\n",
    ),
    "mailer/src/domain/handlers/invoice_handler.py": (
        HANDLED,
        '    await send_email.enqueue({"to": event.id})\n',
        "from src.domain.tasks.send_email_task import send_email\n",
    ),
    "pricing/src/domain/actions/quote_action.py": (
        "    return QuoteResponse(",
        '    await publish(GIVEN, Event.new(GIVEN, "1", request))\n    return QuoteResponse(',
        "from src.domain.events import Event\nfrom src.infrastructure.publishing import publish\n"
        'GIVEN = "pricing.quote.given"\n',
    ),
}
POSTED = (("api", "orders"), ("api", "greet"), ("shop", "carts"), ("shop", "quote"))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten services."""
    root = tmp_path_factory.mktemp("contracts") / "shop"
    root.mkdir()
    for words in COMMANDS:
        assert main([*words, "--workspace", str(root), "--no-input"]) == 0, words
    for name, (old, new, imports) in EDITS.items():
        file = root / "services" / name
        text = file.read_text()
        assert old in text, name
        file.write_text(text.replace(old, new).replace("\nclass ", f"\n{imports}\n\nclass ", 1))
    return root


@dataclass
class Documents:
    """The document of the workspace, as the services' code tells it and as the source does, and its files."""

    evaluated: dict[str, Any]
    static: dict[str, Any]
    files: list[Path] = field(default_factory=list)


@pytest.fixture(scope="module")
def documents(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Documents:
    folder = tmp_path_factory.mktemp("documents")
    wanted = {"evaluated": ("--all",), "static": ("--all", "--static")} | {one: (one, "--static") for one in NAMES}
    files = []
    for name, words in wanted.items():
        files.append(folder / f"{name}.json")
        assert main(["asyncapi", *words, "--output", str(files[-1]), "--workspace", str(workspace)]) == 0
    evaluated, static = (json.loads(file.read_text()) for file in files[:2])
    return Documents(evaluated, static, files)


def test_the_source_alone_tells_the_same_as_the_code(documents: Documents) -> None:
    assert changes.between(documents.static, documents.evaluated) == []
    assert changes.between(documents.evaluated, documents.static) == []


def test_services_as_they_are_generated_fit_together(workspace: Path) -> None:
    assert main(["map", "--check", "--workspace", str(workspace)]) == 0
    assert main(["asyncapi", "--all", "--static", "--check", "--workspace", str(workspace)]) == 0


@pytest.mark.node
def test_the_official_parser_accepts_each_document(documents: Documents, tmp_path: Path) -> None:
    folder = node.installed(Path(__file__).with_name("asyncapi_parser"), tmp_path / "parser")
    program = need_program("node", hint="install Node.js")
    said = json.loads(run([program, "parse.cjs", *documents.files], limit=LIMIT, folder=folder).output)
    assert [one["diagnostics"] for one in said.values()] == [[]] * len(documents.files)
    for file in documents.files:
        assert sorted(said[str(file)]["operations"]) == sorted(json.loads(file.read_text())["operations"])


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    with NatsServer(tmp_path / "nats") as server:
        yield server


@pytest.fixture
def running(workspace: Path, nats_server: NatsServer, tmp_path: Path) -> Iterator[dict[str, GeneratedService]]:
    """The services, ready."""
    with ExitStack() as stack:
        started = {}
        for name in NAMES:
            folder = workspace / "services" / name
            settings = {"NATS_URL": nats_server.url, "CONSUL_ENABLED": "false", "PUBLISH_INTERVAL": "0.2"}
            python = environment_for(folder / "requirements.txt")
            service = GeneratedService(folder, python=python, log_folder=tmp_path, settings=settings)
            started[name] = stack.enter_context(service)
        for service in started.values():
            wait_ready(service, LIMIT)
        yield started


async def seen_messages(url: str, services: dict[str, GeneratedService], wanted: set[str]) -> dict[str, bytes]:
    """The payloads by subject of what flows after requests to the gateways, once it has all that is wanted."""
    found: dict[str, bytes] = {}
    async with await nats.connect(url) as client, asyncio.timeout(LIMIT):
        subscription = await client.subscribe(">")
        await client.flush()
        posts = (asyncio.to_thread(post, services[name].port, path) for name, path in POSTED)
        await asyncio.gather(*posts)
        async for message in subscription.messages:
            if not message.subject.startswith(("$", "_INBOX")):
                found.setdefault(message.subject, message.data)
            if all(any(naming.matches(one, subject) for subject in found) for one in wanted):
                return found
    raise AssertionError("the subscription ended")


def post(port: int, path: str) -> None:
    """Sends a request as a client of a gateway does."""
    url, headers = f"http://127.0.0.1:{port}/{path}", {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps({"name": "Ada"}).encode(), headers)
    with urllib.request.urlopen(request, timeout=LIMIT) as response:
        assert response.status in (200, 202)


async def test_the_document_has_what_the_services_really_do(
    documents: Documents, running: dict[str, GeneratedService], nats_server: NatsServer
) -> None:
    document = documents.evaluated
    operations = document["operations"]
    addresses = {
        name: compatibility.target(document, one["channel"]["$ref"])["address"] for name, one in operations.items()
    }
    sent = {name: addresses[name] for name, one in operations.items() if one["action"] == "send"}
    seen = await seen_messages(nats_server.url, running, set(sent.values()))

    unknown = [one for one in seen if not any(naming.matches(address, one) for address in addresses.values())]
    assert unknown == []
    for name, address in sent.items():
        schema = {**document, "$ref": f"#/components/messages/{name}/payload"}
        if "payload" in document["components"]["messages"][name]:
            for payload in (payload for subject, payload in seen.items() if naming.matches(address, subject)):
                Draft202012Validator(schema).validate(json.loads(payload))

    streams = {one["name"]: one for one in nats_server.jsz()["account_details"][0]["stream_detail"]}
    told = {one["x-nats-stream"] for one in operations.values() if "x-nats-stream" in one}
    assert told == {name for name in streams if name != "DLQ" and not name.startswith("KV_")}
    consumers = {
        (stream, consumer["name"].removesuffix("-high").removesuffix("-low"), consumer["config"]["ack_wait"] / 1e9)
        for stream, details in streams.items()
        if stream in told
        for consumer in details.get("consumer_detail", ())
    }
    durable = [one for one in operations.values() if "x-nats-durable" in one]
    assert consumers == {(one["x-nats-stream"], one["x-nats-durable"], one["x-nats-ack-wait"]) for one in durable}

    subscribed = {one for each in connections(nats_server) for one in each.get("subscriptions_list", ())}
    core = {addresses[name] for name, one in operations.items() if ".action." in name or ".subscriber." in name}
    assert core == {one for one in subscribed if one.split(".")[0] in ("v1", "events")}
