"""A service that answers requests, on a real NATS server: what a person does after `natsgen new service`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import nats.errors
import pytest
from nats.aio.client import Client

from natsgen.harness.service import GeneratedService
from natsgen.harness.waiting import wait_until
from tests.harness_tools.readiness import wait_ready
from tests.smoke.conftest import StartService, natsgen
from tests.smoke.traffic import event

ADA = b'{"name": "Ada"}'
HELLO = {"result": {"message": "Hello Ada!"}}
REQUEST_SECONDS = 5.0
GREETER = Path("services", "greeter")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with the service `greeter`, which answers greet."""
    folder = tmp_path / "shop"
    natsgen(folder, "new", "service", "greeter", "--action", "greet")
    return folder


async def ask(client: Client, subject: str, payload: bytes = ADA) -> Any:
    return json.loads((await client.request(subject, payload, timeout=REQUEST_SECONDS)).data)


async def test_a_service_answers_as_it_is_made(workspace: Path, start_service: StartService, client: Client) -> None:
    service = start_service(workspace / GREETER)

    assert await ask(client, "v1.greeter.greet") == HELLO
    refused = await ask(client, "v1.greeter.greet", b"{}")
    known = await ask(client, "$SRV.INFO.greeter", b"")
    (stats,) = service.stats()["actions"]

    assert refused["error"]["code"] == "422"
    assert (known["name"], known["version"], known["description"]) == ("greeter", "0.1.0", "Answers greet")
    (endpoint,) = known["endpoints"]
    assert (endpoint["name"], endpoint["subject"]) == ("greet", "v1.greeter.greet")
    assert endpoint["metadata"]["description"].startswith("Greet by name")
    assert (stats["requests"], stats["errors"]) == (2, {"422": 1})


async def test_what_is_added_is_answered_at_the_next_start(
    workspace: Path, start_service: StartService, client: Client
) -> None:
    natsgen(workspace, "add-action", "greeter", "farewell", "--concurrency", "3", "--timeout", "2.5")
    natsgen(workspace, "add-action", "greeter", "greet", "--version", "2", "--no-queue")

    service = start_service(workspace / GREETER)

    for subject in ("v1.greeter.greet", "v1.greeter.farewell", "v2.greeter.greet"):
        assert await ask(client, subject) == HELLO
    policies = {one["subject"]: one["policy"] for one in service.stats()["actions"]}
    assert policies["v1.greeter.farewell"]["concurrency"] == 3
    assert policies["v1.greeter.farewell"]["timeout"] == 2.5
    assert [policies[f"v{version}.greeter.greet"]["queue"] for version in (1, 2)] == [True, False]

    natsgen(workspace, "remove-action", "greeter", "farewell")
    service.restart()
    wait_ready(service)
    with pytest.raises(nats.errors.NoRespondersError):
        await ask(client, "v1.greeter.farewell")
    assert await ask(client, "v1.greeter.greet") == HELLO


async def test_one_service_handles_events_and_answers(
    workspace: Path, start_service: StartService, client: Client
) -> None:
    natsgen(workspace, "add-handler", "greeter", "orders.order.created")

    def handled() -> int:
        return int(service.stats()["subscriptions"]["order_created"]["handled"])

    service = start_service(workspace / GREETER)

    await client.jetstream().publish("orders.order.created", event(1))
    assert await ask(client, "v1.greeter.greet") == HELLO
    assert [one["subject"] for one in service.stats()["actions"]] == ["v1.greeter.greet"]
    await asyncio.to_thread(wait_until, lambda: handled() == 1, limit=REQUEST_SECONDS, what="the event is handled")


async def test_without_handlers_and_actions_it_says_what_is_missing(
    workspace: Path, service_python: Path, tmp_path: Path
) -> None:
    natsgen(workspace, "remove-action", "greeter", "greet")
    service = GeneratedService(
        workspace / GREETER, python=service_python, log_folder=tmp_path, settings={"CONSUL_ENABLED": "false"}
    )

    service.launch()
    code = service.process.wait(limit=REQUEST_SECONDS * 2)

    assert code == 2
    assert "nothing to do" in service.log_records()[-1]["message"]
