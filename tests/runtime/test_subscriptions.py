"""What each subscription may ask for, on real servers: how it pulls, how its messages are settled, what it tells."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import nats
from nats.js import JetStreamContext
from nats.js.errors import NoStreamResponseError

from natsgen.harness.nats_server import NatsServer
from natsgen.harness.service import GeneratedService
from src.config import Settings
from src.infrastructure.errors import Reject
from src.infrastructure.http_server import HttpServer
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.subscription import Backoff, Message, Subscription
from tests.harness_tools.readiness import wait_ready
from tests.runtime.conftest import SERVICE, Counts, until

SUBJECT = "integration.order.created"
DURABLE = "billing-tested"
SOON = Backoff(initial=0.02, maximum=0.05)


async def publish(jetstream: JetStreamContext, count: int, subject: str = SUBJECT) -> None:
    for number in range(count):
        await jetstream.publish(subject, json.dumps({"n": number}).encode())


async def test_pull_settings_of_each_subscription(run_worker: Any, jetstream: JetStreamContext) -> None:
    """Prefetch, batch and time-out: side by side in one worker."""
    go_on = asyncio.Event()
    full: list[int] = []
    timed_out: list[int] = []

    async def hold(event: dict[str, Any]) -> None:
        await go_on.wait()

    async def take_full(events: list[dict[str, Any]]) -> None:
        full.append(len(events))

    async def take_what_is_there(events: list[dict[str, Any]]) -> None:
        timed_out.append(len(events))

    def subscription(name: str, function: Any, **options: Any) -> Subscription:
        return Subscription(handler=name, subject=f"integration.{name}", function=function, **options)

    await jetstream.add_stream(name="INTEGRATION", subjects=["integration.>"])
    for name, count in (("holding", 20), ("full", 20), ("waiting", 3)):  # before there is a worker: at its first pull
        await publish(jetstream, count, f"integration.{name}")
    holding = subscription("holding", hold, prefetch=4, ack_wait=17, max_ack_pending=50)
    async with run_worker(
        holding,
        subscription("full", take_full, batch_size=5, batch_wait=60),
        subscription("waiting", take_what_is_there, batch_size=100, batch_wait=0.3),
    ):
        await until(lambda: sum(full) == 20 and sum(timed_out) == 3, "the batches")
        held = await jetstream.consumer_info("INTEGRATION", "billing-holding")
        go_on.set()

    assert full == [5] * 4
    assert len(timed_out) <= 2  # its first message waited for the others
    assert held.num_ack_pending is not None
    assert 1 <= held.num_ack_pending <= 4 + 1  # what was asked for ahead, and what is being handled
    assert (held.config.ack_wait, held.config.max_ack_pending) == (17, 50)


async def test_manual_acks_in_a_batch_settle_each_message_on_its_own(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    attempts: dict[int, set[int]] = defaultdict(set)

    async def handle(events: list[dict[str, int]], messages: list[Message]) -> None:
        for event, message in zip(events, messages, strict=True):
            attempts[event["n"]].add(message.attempt)
            if event["n"] == 0:
                await message.ack()
            elif event["n"] == 1 and message.attempt == 1:
                await message.nak(0.1)
            elif event["n"] == 2:
                await message.term("not for us")
        if any(message.attempt == 1 and not message.settled for message in messages):
            raise RuntimeError("what is not settled comes again")

    batches = Subscription(
        handler="tested", subject=SUBJECT, function=handle, batch_size=5, batch_wait=1, backoff=SOON, max_attempts=3
    )
    await jetstream.add_stream(name="INTEGRATION", subjects=["integration.>"])
    await publish(jetstream, 5)  # before there is a worker, so that they are one batch
    async with run_worker(batches) as worker:
        runner, counts = worker.runners[0], Counts(worker.runners[0])
        await until(lambda: counts.received == 8 and not runner.in_flight and not runner.buffer, "all to be over")
        state = await jetstream.consumer_info("INTEGRATION", DURABLE)

    assert attempts == {0: {1}, 1: {1, 2}, 2: {1}, 3: {1, 2}, 4: {1, 2}}
    assert (state.num_ack_pending, state.num_pending) == (0, 0)
    assert (counts.retried, counts.dead_letters) == (2, {})  # by the worker: what nobody settled by hand


async def test_several_servers_of_which_one_is_down_and_another_goes(
    tmp_path: Path, service_settings: Settings
) -> None:
    """`NATS_URL` with a comma: the worker goes where there is a server, and on to another when that one is gone."""
    with NatsServer(tmp_path / "one") as one, NatsServer(tmp_path / "two") as two:
        listed = f"{one.url},{two.url}"
        one.stop()
        client = NatsClient(service_settings.model_copy(update={"NATS_URL": listed}))
        async with asyncio.timeout(20):
            await client.connect()
        assert port_of(client) == two.port

        await asyncio.to_thread(one.start)
        await asyncio.to_thread(two.stop)
        await until(lambda: client.connected and client.connections == 2, "the other server", limit=60)
        assert port_of(client) == one.port
        await client.client.flush()
        await client.close()


def port_of(client: NatsClient) -> int | None:
    url = client.client.connected_url
    return url.port if url else None


async def test_messages_are_handled_on_whichever_of_several_servers(tmp_path: Path, run_worker: Any) -> None:
    handled: list[int] = []

    async def handle(event: dict[str, int]) -> None:
        handled.append(event["n"])

    with NatsServer(tmp_path / "one") as one, NatsServer(tmp_path / "two") as two:
        subscription = Subscription(handler="tested", subject=SUBJECT, function=handle)
        async with run_worker(subscription, NATS_URL=f"{one.url},{two.url}") as worker:
            for server in (one, two) if port_of(worker.nats) == one.port else (two, one):
                await published(server, json.dumps({"n": server.port}).encode())
                await until(lambda s=server: s.port in handled, "the message", limit=60)
                if len(handled) == 1:
                    await asyncio.to_thread(server.stop)

    assert len(handled) == 2


async def published(server: NatsServer, payload: bytes) -> None:
    """Publishes a message as soon as the server has a stream for it, which the worker makes."""
    outside = await nats.connect(server.url)
    async with asyncio.timeout(20):
        while True:
            with suppress(NoStreamResponseError):
                await outside.jetstream().publish(SUBJECT, payload)
                break
    await outside.close()


async def test_subscription_statistics(
    run_worker: Any, jetstream: JetStreamContext, service_settings: Settings
) -> None:
    async def handle(event: dict[str, int], message: Message) -> None:
        if event["n"] == 1 and message.attempt == 1:
            raise RuntimeError("not yet")
        if event["n"] == 2:
            raise Reject("never")

    subscription = Subscription(handler="tested", subject=SUBJECT, function=handle, backoff=SOON)
    async with run_worker(subscription, HTTP_PORT=0) as worker:
        http = HttpServer(worker)
        await http.start()
        await publish(jetstream, 3)
        await jetstream.publish(SUBJECT, b"no JSON")
        stats = Counts(worker.runners[0])
        await until(lambda: stats.handled == 2 and stats.dead_letters.total() == 2, "all four to be settled")
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{http.port}/stats") as response:
            found = (await response.json())["subscriptions"]
        await http.stop()

    assert list(found) == ["tested"]
    expected = {"subject": SUBJECT, "durable": DURABLE, "received": 5, "handled": 2, "retried": 1, "in_flight": 0}
    assert found["tested"] | expected == found["tested"]
    assert found["tested"]["dead_letters"] == {"rejected": 1, "invalid": 1}
    assert found["tested"]["last_error"].split(":")[0] in ("Reject", "ValidationError")


async def test_debug_logging_by_setting(nats_server: NatsServer, jetstream: JetStreamContext, tmp_path: Path) -> None:
    """Every message is told of, with what it is; at INFO, see test_decoders.py, nothing is said below that."""
    folder = Path(shutil.copytree(SERVICE, tmp_path / "billing", ignore=shutil.ignore_patterns("__pycache__")))
    settings = {"NATS_URL": nats_server.url, "CONSUL_ENABLED": "false", "LOG_LEVEL": "debug", "DEDUP": "none"}
    event = {"id": "e1", "type": "orders.order.created", "timestamp": "2024-01-15T10:00:00Z", "aggregateId": "a1"}

    with GeneratedService(folder, python=sys.executable, log_folder=tmp_path, settings=settings) as worker:
        await asyncio.to_thread(wait_ready, worker)
        payload = json.dumps({**event, "data": {}}).encode()
        await jetstream.publish("orders.order.created", payload, headers={"Nats-Msg-Id": "e1"})
        await asyncio.to_thread(worker.process.wait_for_line, '"message handled"', limit=30)
        told = {r["message"]: r for r in worker.log_records() if r["level"] == "DEBUG" and "message_id" in r}

    bound = {"subject": "orders.order.created", "message_id": "e1", "handler": "order_created", "attempt": 1}
    assert told["message received"] | bound | {"deliveries": 1, "bytes": len(payload)} == told["message received"]
    assert told["message handled"] | bound | {"settled_by_hand": False} == told["message handled"]
