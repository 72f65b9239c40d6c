"""Statistics and health, on a real server, from inside and over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from nats.js import JetStreamContext

from natsgen.harness.nats_server import NatsServer
from natsgen.harness.tcp_proxy import TcpProxy
from natsgen.harness.waiting import wait_until
from src.config import Settings
from src.infrastructure.http_server import HttpServer
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.subscription import Backoff, Subscription
from src.infrastructure.watching.seldom import Seldom
from src.infrastructure.watching.server_figures import ServerFigures
from src.infrastructure.worker import Worker
from src.requests.nats import Nats
from src.toolkit.statistics import deep_health, server_statistics
from src.toolkit.streams import Streams

SUBJECT = "integration.order.created"


async def test_statistics(own_nats: Nats, client: NatsClient) -> None:
    streams = Streams(own_nats)
    await streams.create("A", ["a"])
    await streams.create("B", ["b"], storage="memory")
    await streams.create_consumer("A", "one")
    for subject in ("a", "a", "b"):
        await client.publish(subject, b"x", {})

    found = await server_statistics(own_nats)

    assert (found.streams, found.consumers, found.messages) == (2, 1, 3)
    assert found.bytes == found.memory + found.storage > 0
    assert (found.api_requests > 0, found.in_messages > 0, found.out_messages > 0) == (True, True, True)
    assert found.version.count(".") == 2
    assert found.server


async def test_deep_health_check(own_nats: Nats, jetstream: JetStreamContext) -> None:
    health = await deep_health(own_nats)

    assert (health.healthy, health.error) == (True, "")
    assert health.seconds is not None
    assert 0 < health.seconds < 5
    assert await jetstream.streams_info() == []


async def test_deep_health_clears_away_what_a_check_left_behind(own_nats: Nats, jetstream: JetStreamContext) -> None:
    old, new, foreign = f"HEALTH_billing_{int(time.time()) - 3600}_x", f"HEALTH_billing_{int(time.time())}_x", "MINE"
    for number, name in enumerate((old, new, foreign)):
        await jetstream.add_stream(name=name, subjects=[f"health.billing.{number}"])

    assert (await deep_health(own_nats)).healthy

    assert sorted(info.config.name for info in await jetstream.streams_info()) == sorted([new, foreign])


async def test_deep_health_says_what_is_in_the_way(tmp_path: Path, service_settings: Settings) -> None:
    without_jetstream = "accounts { A { users [ { user: a, password: a } ] } }\nno_auth_user: a\n"
    with NatsServer(tmp_path / "plain", configuration=without_jetstream) as server:
        connection = NatsClient(service_settings.model_copy(update={"NATS_URL": server.url}))
        await connection.connect()
        nats = Nats()
        nats.use(connection)
        health = await deep_health(nats)
        await connection.close()

    assert (health.healthy, health.seconds) == (False, None)
    assert "not enabled" in health.error or "NoResponders" in health.error or "Unavailable" in health.error
    assert not (await deep_health(Nats())).healthy


@asynccontextmanager
async def served(worker: Worker, settings: Settings) -> AsyncIterator[str]:
    server = HttpServer(settings.model_copy(update={"HTTP_PORT": 0}), "1", worker)
    await server.start()
    yield f"http://127.0.0.1:{server.port}"
    await server.stop()


async def asked(url: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.json()


async def fail(event: dict[str, Any]) -> None:
    raise RuntimeError("not yet")


SLOWLY = Subscription(
    handler="tested", subject=SUBJECT, function=fail, backoff=Backoff(initial=60, maximum=60), schedule_above=3600
)


async def test_statistics_over_http(run_worker: Any, jetstream: JetStreamContext, service_settings: Settings) -> None:
    async with run_worker(SLOWLY) as worker, served(worker, service_settings) as url:
        for _ in range(3):
            await jetstream.publish(SUBJECT, b"{}")
        stats = worker.runners[0].stats
        await asyncio.to_thread(wait_until, lambda: stats.retried == 3, limit=5, what="three failures")

        status, found = await asked(f"{url}/stats")

    server = found["server"]
    assert status == 200
    assert server["streams"]["INTEGRATION"] | {"bytes": 0} == {
        "messages": 3,
        "bytes": 0,
        "last_sequence": 3,
        "consumers": 1,
    }
    assert server["consumers"]["tested"] == {
        "stream": "INTEGRATION",
        "durable": "billing-tested",
        "pending": 0,
        "unacknowledged": 3,
        "redelivered": 0,
    }
    assert server["version"]


async def test_statistics_over_http_are_there_without_an_answer_of_the_server(
    run_worker: Any, service_settings: Settings, nats_server: NatsServer
) -> None:
    with TcpProxy(nats_server.port) as proxy:
        async with run_worker(SLOWLY, NATS_URL=f"nats://127.0.0.1:{proxy.port}") as worker:
            async with served(worker, service_settings) as url:
                proxy.stall()
                began = time.monotonic()
                status, found = await asked(f"{url}/stats")
                took = time.monotonic() - began
            proxy.resume()

    assert (status, list(found["server"])) == (200, ["error"])
    assert took < ServerFigures.LIMIT + 1


async def test_deep_health_over_http(run_worker: Any, service_settings: Settings, nats_server: NatsServer) -> None:
    async with run_worker(SLOWLY) as worker, served(worker, service_settings) as url:
        assert await asked(f"{url}/healthz") == (200, {"status": "ok"})
        status, found = await asked(f"{url}/healthz?deep=1")

    assert (status, found["status"], found["error"]) == (200, "ok", "")
    assert found["seconds"] > 0


async def test_deep_health_over_http_fails_while_the_server_is_away(
    run_worker: Any, service_settings: Settings, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Nats, "CONNECT_LIMIT", 0.1)
    async with run_worker(SLOWLY) as worker, served(worker, service_settings) as url:
        await asyncio.to_thread(nats_server.kill)
        status, found = await asked(f"{url}/healthz?deep=1")
        assert await asked(f"{url}/healthz") == (200, {"status": "ok"})

    assert (status, found["status"]) == (503, "failing")
    assert found["error"]


async def test_a_question_is_asked_once_while_its_answer_is_fresh() -> None:
    asked_times = 0

    async def ask() -> int:
        nonlocal asked_times
        asked_times += 1
        await asyncio.sleep(0.05)
        return asked_times

    seldom = Seldom(ask, age=0.3, limit=5)

    assert await asyncio.gather(*(seldom.get() for _ in range(10))) == [1] * 10
    assert await seldom.get() == 1
    await asyncio.sleep(0.35)
    assert await seldom.get() == 2


async def test_a_question_without_an_answer_holds_nobody_up_and_is_not_asked_again_meanwhile() -> None:
    asked_times = 0
    answer = asyncio.Event()

    async def ask() -> str:
        nonlocal asked_times
        asked_times += 1
        await answer.wait()
        return "late"

    seldom = Seldom(ask, age=5, limit=0.3)
    with pytest.raises(TimeoutError):
        await seldom.get()
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        await seldom.get()
    assert time.monotonic() - began < 0.2  # only who comes first waits
    answer.set()
    assert seldom._asking
    await seldom._asking

    assert (await seldom.get(), asked_times) == ("late", 1)
