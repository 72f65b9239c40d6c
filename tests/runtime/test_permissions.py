"""Permissions that the server's owner takes away and gives back while a worker runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nats
import nats.errors
import pytest
from nats.js import JetStreamContext
from pydantic import SecretStr
from structlog.testing import capture_logs

from natsgen.harness.nats_server import NatsServer
from src.actions.action import Action
from src.config import Settings, settings
from src.infrastructure import link_health, nats_client
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.pull_consumer import PullConsumer
from src.infrastructure.subscription import Subscription
from src.infrastructure.worker import Worker
from src.pubsub.subscribers.runner import SubscriberRunner
from src.pubsub.subscribers.subscriber import Subscriber
from src.tasks import Task
from tests.harness_tools.nats_admin import reload
from tests.runtime.conftest import RunWorker, add, until

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
        reload(server, users(denied))

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


@pytest.mark.parametrize("denied", ['{deny: ["billing.>"]}', '{allow: ["other.>", "$JS.API.>"]}'])
async def test_a_publish_that_is_denied_fails_and_says_why(
    client: NatsClient, deny: Deny, jetstream: JetStreamContext, denied: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PUBLISH_TIMEOUT", 1.0)
    await jetstream.add_stream(name="BILLING", subjects=["billing.>"])
    await client.publish("billing.Done", b"{}", {})
    deny(f"publish: {denied}")

    await until(lambda: is_denied(client), "the refusal")
    with pytest.raises(nats.errors.Error, match=r"permissions violation for publish to billing\.Done"):
        await client.publish("billing.Done", b"{}", {})
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


PARTS: dict[str, Callable[[Callable[[Any], Any]], Any]] = {
    "a handler": lambda function: subscription(function),
    "a task": lambda function: Task(function, "tested", "work"),
    "an action": lambda function: Action("tested", function),
    "a subscriber": lambda function: (
        lambda worker: SubscriberRunner(Subscriber("tested", "heard.>", function), worker.nats)
    ),
}
SUBJECTS = {
    "a handler": SUBJECT,
    "a task": "queue.work.normal.tested",
    "an action": "v1.billing.tested",
    "a subscriber": "heard.one",
}
INBOX, REQUESTS = 'subscribe: {deny: ["_INBOX_billing.>"]}', 'publish: {deny: ["$JS.API.CONSUMER.MSG.NEXT.>"]}'
REFUSED = "permissions violation for"


@pytest.fixture
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_client, "REFUSED_FOR", 0.6)
    monkeypatch.setattr(link_health, "REFUSED_FOR", 3.0)
    monkeypatch.setattr(PullConsumer, "HEARTBEAT", 1.0)
    monkeypatch.setattr(PullConsumer, "EXPIRES", 2.0)  # a request that waits on the server is served all the same


@pytest.mark.parametrize(
    ("part", "denied", "from_the_start"),
    [
        ("a handler", INBOX, False),
        ("an action", 'subscribe: {deny: ["v1.billing.>"]}', False),
        pytest.param("a handler", REQUESTS, False, marks=pytest.mark.slow),
        pytest.param("a task", INBOX, True, marks=pytest.mark.slow),
        pytest.param("an action", 'subscribe: {deny: ["$SRV.>"]}', True, marks=pytest.mark.slow),
        pytest.param("a subscriber", 'subscribe: {deny: [">"]}', False, marks=pytest.mark.slow),
    ],
)
@pytest.mark.usefixtures("_short_pauses")
async def test_a_part_that_is_denied_its_messages_says_so_and_works_again_once_it_may(
    service_settings: Settings, deny: Deny, jetstream: JetStreamContext, part: str, denied: str, from_the_start: bool
) -> None:
    handled: list[int] = []

    async def function(number: int) -> None:
        handled.append(number)

    outside = jetstream._nc
    worker = Worker(service_settings.model_copy(update={"DEDUP": "none", "GRACEFUL_SHUTDOWN_TIMEOUT": 2.0}))
    add(worker, (PARTS[part](function),), {})
    if from_the_start:
        deny(denied)
        await asyncio.sleep(0.5)  # the server says nothing when it has read its configuration
    with capture_logs() as lines:
        worker.working = work = asyncio.create_task(worker.run())
        try:
            if not from_the_start:
                await until(lambda: worker.readiness().ready, "the worker to be ready", limit=30)
                deny(denied)
            await until(lambda: REFUSED in worker.readiness().reason, "the refusal", limit=30)
            for _ in range(150):  # longer than until it subscribes again
                assert not worker.readiness().ready
                await asyncio.sleep(0.01)
            refused = [line["error"] for line in lines if line["event"] == "the server refuses"]
            assert len(refused) == len(set(refused)) < 12

            deny("")
            await until(lambda: worker.readiness().ready, "the worker to be ready", limit=30)
            await outside.publish(SUBJECTS[part], b"1", headers={"Task-Id": "one"})
            await until(lambda: handled == [1], "the message to be handled", limit=30)
        finally:
            await worker.stop()
            await asyncio.wait([work])


async def test_events_whose_acks_are_denied_wait_and_become_no_dead_letters(
    run_worker: RunWorker, deny: Deny, jetstream: JetStreamContext
) -> None:
    """They are handled once more when acks are permitted again: at least once, and not until no attempt is left."""
    handled: list[Any] = []

    async def handle(event: dict[str, Any]) -> None:
        handled.append(event["n"])

    async with run_worker(subscription(handle, ack_wait=1, max_attempts=2)) as worker:
        deny('publish: {deny: ["$JS.ACK.>"]}')
        await jetstream.publish(SUBJECT, b'{"n": 1}')
        await until(lambda: "publish to $js.ack.>" in worker.readiness().reason, "the refusal")
        await asyncio.sleep(5)  # what is tested: several deliveries
        assert handled == [1]
        deny("")

        await until(lambda: handled == [1, 1], "the event to be handled again", limit=60)
        await until(lambda: worker.readiness().ready, "the worker to be ready", limit=60)
        info = await jetstream.consumer_info("INTEGRATION", "billing-tested")
        assert (info.num_ack_pending, (await jetstream.stream_info("DLQ")).state.messages) == (0, 0)
