"""Statistics and health, on a real server, from inside and over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from natsgen.harness.nats_server import NatsServer
from natsgen.harness.waiting import wait_until
from src.infrastructure.http_server import HttpServer
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.subscription import Subscription
from src.requests.nats import Nats
from src.toolkit.streams import jetstream

SUBJECT = "integration.order.created"


async def test_statistics(own_nats: Nats, client: NatsClient) -> None:
    by_hand = await jetstream()
    await by_hand.add_stream(name="A", subjects=["a"])
    await by_hand.add_stream(name="B", subjects=["b"], storage="memory")
    await by_hand.add_consumer("A", durable_name="one")
    for subject in ("a", "a", "b"):
        await client.publish(subject, b"x", {})

    account = await by_hand.account_info()
    states = [stream.state for stream in await by_hand.streams_info()]

    assert (account.streams, account.consumers, sum(state.messages for state in states)) == (2, 1, 3)
    assert account.memory + account.storage == sum(state.bytes for state in states) > 0
    assert account.api.total > 0


async def test_health_and_statistics_over_http(run_worker: Any, client: NatsClient, nats_server: NatsServer) -> None:
    async def handle(event: dict[str, Any]) -> None: ...

    async def asked(path: str) -> tuple[int, Any]:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{http.port}{path}") as response:
            return response.status, await response.json()

    subscription = Subscription(handler="tested", subject=SUBJECT, function=handle)
    async with run_worker(subscription, HTTP_PORT=0) as worker:
        http = HttpServer(worker)
        await http.start()
        await client.publish(SUBJECT, b"{}", {})
        handled = lambda: worker.runners[0].metrics.values()["handled"] == 1  # noqa: E731
        await asyncio.to_thread(wait_until, handled, limit=30, what="the message")
        assert await asked("/healthz") == (200, {"status": "ok"})
        assert await asked("/readyz") == (200, {"ready": True, "reason": "consuming"})
        status, found = await asked("/stats")
        assert (status, found["subscriptions"]["tested"]["handled"]) == (200, 1)

        await asyncio.to_thread(nats_server.kill)
        await asyncio.to_thread(wait_until, lambda: not worker.nats.connected, limit=30, what="the loss to be noticed")
        status, found = await asked("/readyz")
        assert (status, found["reason"].startswith("not connected to NATS")) == (503, True)
        assert await asked("/healthz") == (200, {"status": "ok"})
        await http.stop()
        await asyncio.to_thread(nats_server.start)
