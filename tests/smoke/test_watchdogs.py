"""A worker whose connection dies, whose event loop is blocked, or that has to stop while something else is wrong."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from nats.js import JetStreamContext

from natsgen.harness.consul_agent import ConsulAgent
from natsgen.harness.nats_server import NatsServer
from natsgen.harness.service import GeneratedService
from natsgen.harness.waiting import wait_until
from tests.harness_tools.freezing import freeze, resume
from tests.harness_tools.readiness import wait_ready
from tests.harness_tools.tcp_proxy import TcpProxy
from tests.smoke.conftest import SUBJECT, StartWorker
from tests.smoke.traffic import counts, event, publish, settled

pytestmark = pytest.mark.slow  # tests/runtime proves them without a process for each

HEAD = "from src.infrastructure.subscription import Message, subscriber\n"
BLOCKS = f"""{HEAD}
import time
@subscriber("{SUBJECT}")
async def handle_order_created(event: dict, message: Message) -> None:
    if event["data"]["number"] == 1:
        time.sleep(2.5)
"""
SLOW = f"""{HEAD}
import asyncio
@subscriber("{SUBJECT}")
async def handle_order_created(event: dict) -> None:
    await asyncio.sleep(0.5)
"""
CUT_OFF = f"""{HEAD}
import asyncio
from src.utils.logging import logger

@subscriber("{SUBJECT}", ack_wait=2)
async def handle_order_created(event: dict) -> None:
    logger.info("tasks", count=len(asyncio.all_tasks()))
"""
PREFETCH = 500  # the default
WITHIN = 12.0  # seconds: two heartbeats of 5 s plus 2 s until messages are handled again

WriteHandler = Callable[[str], None]


@pytest.fixture
def proxy(nats_server: NatsServer) -> Iterator[TcpProxy]:
    with TcpProxy(nats_server.port) as between:
        yield between


def through(proxy: TcpProxy) -> str:
    return f"nats://127.0.0.1:{proxy.port}"


def lag(worker: GeneratedService) -> float:
    """How late the worker's event loop was in the last second, in seconds."""
    return worker.metrics()["worker_loop_lag_seconds"]


def reason(worker: GeneratedService) -> str:
    return str(worker.get("/readyz").json()["reason"])


async def test_a_half_open_connection_makes_it_unready_and_messages_come_again_in_time(
    proxy: TcpProxy, jetstream: JetStreamContext, start_worker: StartWorker
) -> None:
    worker = start_worker(NATS_URL=through(proxy))
    await publish(jetstream, 10)
    await settled(jetstream)

    started = time.monotonic()
    proxy.abandon()
    # What the server had been asked for goes to the dead connection, and comes again after `ack_wait`: the rest counts.
    await publish(jetstream, 2 * PREFETCH, first=10)
    await asyncio.to_thread(
        wait_until, lambda: counts(worker)["handled"] >= 10 + PREFETCH, limit=WITHIN, what="the rest"
    )

    assert time.monotonic() - started < WITHIN
    proxy.stall()
    await asyncio.to_thread(
        wait_until, lambda: worker.get("/readyz").status == 503, limit=WITHIN, what="it to be unready"
    )
    assert reason(worker).startswith("not connected to NATS")
    proxy.resume()
    await asyncio.to_thread(wait_ready, worker, 10)


async def test_a_handler_that_blocks_the_loop_shows_in_the_gauge_of_its_lag(
    nats_server: NatsServer, jetstream: JetStreamContext, start_worker: StartWorker, write_handler: WriteHandler
) -> None:
    write_handler(BLOCKS)
    worker = start_worker(NATS_URL=nats_server.url)
    await publish(jetstream, 3)

    await asyncio.to_thread(wait_until, lambda: lag(worker) >= 1, limit=30, what="the gauge to show the lag")
    assert lag(worker) == pytest.approx(1.5, abs=1.1)  # the gauge has waited for some of the 2.5 s anyway
    await asyncio.to_thread(wait_until, lambda: lag(worker) < 0.5, limit=30, what="the gauge to fall again")
    await settled(jetstream)
    assert counts(worker)["handled"] == 3


async def test_a_process_that_was_stopped_keeps_its_connection(
    nats_server: NatsServer, jetstream: JetStreamContext, start_worker: StartWorker
) -> None:
    worker = start_worker(NATS_URL=nats_server.url)
    await asyncio.to_thread(freeze, worker)
    await asyncio.sleep(8)  # what is tested: not running for longer than a server may be silent
    await asyncio.to_thread(resume, worker)

    await publish(jetstream, 10)
    await settled(jetstream)

    assert worker.stats()["nats_connections"] == 1
    assert counts(worker)["handled"] == 10


@pytest.mark.parametrize("state", ["half open", "frozen", "gone", "connecting"])
async def test_it_stops_in_time_whatever_nats_does(
    nats_server: NatsServer,
    proxy: TcpProxy,
    jetstream: JetStreamContext,
    start_worker: StartWorker,
    write_handler: WriteHandler,
    state: str,
) -> None:
    write_handler(SLOW)
    limit = 1.0
    worker = start_worker(NATS_URL=through(proxy), GRACEFUL_SHUTDOWN_TIMEOUT=str(limit))
    await publish(jetstream, 20)
    await asyncio.to_thread(wait_until, lambda: counts(worker)["buffered"] > 5, limit=30, what="messages held")
    if state == "half open":
        proxy.abandon()
    elif state == "frozen":
        await asyncio.to_thread(freeze, nats_server)
    else:
        await asyncio.to_thread(nats_server.kill)
        if state == "connecting":
            proxy.stall()
        await asyncio.to_thread(wait_until, lambda: worker.get("/readyz").status == 503, limit=30, what="the loss")

    stopped = await asyncio.to_thread(worker.stop, 20)

    assert (stopped.exit_code, stopped.forced) == (0, False)
    assert stopped.seconds < limit + 8


async def test_a_second_signal_ends_the_wait_for_nats_to_come_back(
    nats_server: NatsServer, jetstream: JetStreamContext, start_worker: StartWorker, write_handler: WriteHandler
) -> None:
    write_handler(SLOW)
    worker = start_worker(NATS_URL=nats_server.url, GRACEFUL_SHUTDOWN_TIMEOUT="60")
    await publish(jetstream, 20)
    await asyncio.to_thread(wait_until, lambda: counts(worker)["buffered"] > 5, limit=30, what="messages held")
    await asyncio.to_thread(nats_server.kill)
    await asyncio.to_thread(worker.process.wait_for_line, "disconnected from NATS", limit=30)

    worker.process.signal(signal.SIGTERM)
    await asyncio.to_thread(worker.process.wait_for_line, "worker stopping", limit=30)
    worker.process.signal(signal.SIGTERM)

    assert await asyncio.to_thread(worker.process.wait, 8) == 0


def test_open_http_connections_do_not_hold_it(nats_server: NatsServer, start_worker: StartWorker) -> None:
    worker = start_worker(NATS_URL=nats_server.url)
    requests = (b"", b"GET /stats HTTP/1.1\r\n", b"GET /stats HTTP/1.1\r\nHost: x\r\n\r\n")  # idle, halfway, kept alive
    connections = [socket.create_connection(("127.0.0.1", worker.port)) for _ in requests]
    for connection, request in zip(connections, requests, strict=True):
        connection.sendall(request)
    assert connections[-1].recv(1000).startswith(b"HTTP/1.1 200")

    stopped = worker.stop(10)

    assert (stopped.exit_code, stopped.seconds < 5) == (0, True)
    for connection in connections:
        connection.close()


@pytest.mark.consul
def test_a_consul_that_does_not_answer_does_not_hold_it(
    nats_server: NatsServer, consul_agent: ConsulAgent, start_worker: StartWorker
) -> None:
    in_consul = {"CONSUL_ENABLED": "true", "CONSUL_HOST": "127.0.0.1", "CONSUL_PORT": str(consul_agent.http_port)}
    worker = start_worker(NATS_URL=nats_server.url, **in_consul)
    worker.process.wait_for_line("registered in Consul", limit=60)
    freeze(consul_agent)

    stopped = worker.stop(15)

    resume(consul_agent)
    assert (stopped.exit_code, stopped.seconds < 6) == (0, True)


async def test_many_lost_connections_leave_no_tasks(
    proxy: TcpProxy, jetstream: JetStreamContext, start_worker: StartWorker, write_handler: WriteHandler
) -> None:
    write_handler(CUT_OFF)
    worker = start_worker(NATS_URL=through(proxy))

    async def tasks() -> int:
        """How many tasks the worker has: its handler says so."""
        await publish(jetstream, 1, first=len(worker.log_records()) + 1000)
        await settled(jetstream, 30)
        return [int(record["count"]) for record in worker.log_records() if record["message"] == "tasks"][-1]

    async def handle_with_cuts(first: int) -> None:
        for number in range(first, first + 10):
            await jetstream.publish(SUBJECT, event(number))
            proxy.cut()
        await settled(jetstream, 30)

    await handle_with_cuts(0)
    before = await tasks()
    await handle_with_cuts(10)

    deadline = time.monotonic() + 10
    while (now := await tasks()) > before + 1:  # nats-py has one more on a connection that has made a request
        assert time.monotonic() < deadline, f"{now} tasks, {before} before"
        await asyncio.sleep(0.2)
