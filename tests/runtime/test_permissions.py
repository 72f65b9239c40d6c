"""Permissions that the server's owner takes away and gives back while a worker runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nats
import nats.errors
import pytest
from nats.js import JetStreamContext
from pydantic import SecretStr

from natsgen.harness.nats_server import NatsServer
from src.config import Settings, settings
from src.infrastructure import nats_client
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.subscription import Subscription
from tests.runtime.conftest import RunWorker, until

SUBJECT = "integration.order.created"

Deny = Callable[[str], None]


def users(denied: str) -> str:
    return (
        "authorization { users: [ {user: admin, password: a}, "
        f"{{user: w, password: w, permissions: {{ {denied} }} }} ] }}"
    )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with NatsServer(tmp_path / "nats", configuration=users("")) as with_users:
        yield with_users


@pytest.fixture
def deny(server: NatsServer) -> Deny:
    """Denies the worker's user something from now on, such as `publish: {deny: ["a.b"]}`."""

    def change(denied: str) -> None:
        server.reload(users(denied))

    return change


@pytest.fixture
def service_settings(server: NatsServer) -> Settings:
    user = {"NATS_USER": "w", "NATS_PASSWORD": SecretStr("w")}
    return settings.model_copy(update={"NATS_URL": server.url, "CONSUL_ENABLED": False, **user})


@pytest.fixture
async def jetstream(server: NatsServer) -> Any:
    client = await nats.connect(server.url, user="admin", password="a")
    yield client.jetstream()
    await client.close()


def subscription(function: Any, **options: Any) -> Subscription:
    return Subscription(handler="tested", subject=SUBJECT, function=function, **options)


async def test_a_publish_that_is_denied_fails_at_once_and_says_why(
    client: NatsClient, deny: Deny, jetstream: JetStreamContext
) -> None:
    await jetstream.add_stream(name="BILLING", subjects=["billing.>"])
    await client.publish("billing.Done", b"{}", {})
    deny('publish: {deny: ["billing.>"]}')

    await until(lambda: is_denied(client), "the refusal")
    started = time.monotonic()
    with pytest.raises(nats.errors.Error, match=r"permissions violation for publish to billing\.Done"):
        await client.publish("billing.Done", b"{}", {})
    assert time.monotonic() - started < 2
    assert "billing.done" in client.trouble

    deny("")

    async def permitted() -> bool:
        return not await is_denied(client)

    await until(permitted, "the permission to be back")


async def is_denied(client: NatsClient) -> bool:
    try:
        await client.publish("billing.Done", b"{}", {})
    except nats.errors.Error:
        return True
    return False


async def test_a_worker_that_may_not_subscribe_pulls_again_once_it_may(
    run_worker: RunWorker, deny: Deny, jetstream: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_client, "REFUSED_FOR", 1.0)
    handled: list[Any] = []

    async def handle(event: dict[str, Any]) -> None:
        handled.append(event["n"])

    async with run_worker(subscription(handle)) as worker:
        deny('subscribe: {deny: ["_INBOX_billing.>"]}')
        await until(lambda: "permissions violation for subscription" in worker.readiness().reason, "the refusal")
        assert not worker.readiness().ready
        await jetstream.publish(SUBJECT, b'{"n": 1}')
        deny("")

        await until(lambda: handled == [1], "the event to be handled", limit=20)
        await until(lambda: worker.readiness().ready, "the worker to be ready")


async def test_events_whose_acks_are_denied_wait_and_become_no_dead_letters(
    run_worker: RunWorker, deny: Deny, jetstream: JetStreamContext
) -> None:
    """They are handled once more when acks are permitted again: at least once, and not until no attempt is left."""
    handled: list[Any] = []

    async def handle(event: dict[str, Any]) -> None:
        handled.append(event["n"])

    async with run_worker(subscription(handle, ack_wait=1, max_attempts=2)) as worker:
        deny('publish: {deny: ["$JS.ACK.>"]}')
        await asyncio.sleep(0.5)  # the server says nothing when it has read its configuration
        await jetstream.publish(SUBJECT, b'{"n": 1}')
        await until(lambda: "publish to $js.ack.>" in worker.readiness().reason, "the refusal")
        await asyncio.sleep(5)  # what is tested: several deliveries
        assert handled == [1]
        deny("")

        await until(lambda: handled == [1, 1], "the event to be handled again", limit=20)
        await until(lambda: worker.readiness().ready, "the worker to be ready", limit=20)
        info = await jetstream.consumer_info("INTEGRATION", "billing-tested")
        assert (info.num_ack_pending, (await jetstream.stream_info("DLQ")).state.messages) == (0, 0)
