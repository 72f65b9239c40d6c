"""How a worker stops, and the handlers that it cuts short."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from nats.js import JetStreamContext

from src.config import settings
from src.infrastructure.subscription import Subscription
from tests.runtime.conftest import SERVICE, Counts, until

SUBJECT = "integration.order.created"


def is_ready(log: Path) -> bool:
    """Whether the process that writes this log says that it is."""
    started = re.search(r'"http server started".*"port":(\d+)', log.read_text())
    if started is None:
        return False
    connection = http.client.HTTPConnection("127.0.0.1", int(started[1]), timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


async def test_what_has_not_started_is_given_back_and_what_runs_is_finished(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    started = asyncio.Event()
    finish = asyncio.Event()

    async def handle(event: dict[str, Any]) -> None:
        started.set()
        await finish.wait()

    tested = Subscription(handler="tested", subject=SUBJECT, function=handle)
    async with run_worker(tested) as worker:
        for number in range(20):
            await jetstream.publish(SUBJECT, json.dumps({"n": number}).encode())
        await started.wait()
        stats = Counts(worker.runners[0])
        await until(lambda: len(worker.runners[0].buffer) == 19, "the rest waits")
        stopping = asyncio.create_task(worker.stop())
        await until(lambda: stats.released == 19, "the rest is given back")
        finish.set()
        await stopping

    assert (stats.handled, stats.released) == (1, 19)
    assert not worker.nats.listeners


AT_EXIT = """
import atexit, os, pathlib, threading, time

atexit.register(lambda: pathlib.Path(os.environ["ENDED"]).write_text("the first that was registered"))
atexit.register(lambda: 1 / 0)
atexit.register(time.sleep, 0.5)
"""


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, *(pytest.param(one, marks=pytest.mark.slow) for one in (signal.SIGHUP, signal.SIGINT))],
)
async def test_a_signal_stops_the_service_cleanly(nats_url: str, tmp_path: Path, number: signal.Signals) -> None:
    """What libraries registered with `atexit` runs."""
    (tmp_path / "sitecustomize.py").write_text(AT_EXIT)
    environment = {"PATH": os.environ["PATH"], "NATS_URL": nats_url, "CONSUL_ENABLED": "false", "HTTP_PORT": "0"}
    environment |= {"PYTHONPATH": str(tmp_path), "ENDED": str(tmp_path / "ended")}
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "src.main"), cwd=SERVICE, env=environment | {"DEDUP": "none"}, stdout=output
        )
    try:
        await until(lambda: asyncio.to_thread(is_ready, log), "the service is ready", limit=30)
        process.send_signal(number)
        code = await asyncio.wait_for(process.wait(), 30)
    finally:
        if process.returncode is None:
            process.kill()

    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert code == 0
    assert lines[-1]["message"] in ("worker stopped", "gateway stopped")
    assert {line["service"] for line in lines} == {settings.SERVICE_NAME}
    assert (tmp_path / "ended").read_text() == "the first that was registered"


SWALLOWING = """
import builtins, os, signal
import_module = builtins.__import__

def interrupted(name, *arguments, **options):
    if name == "src.config":
        builtins.__import__ = import_module
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except BaseException:
            pass
    return import_module(name, *arguments, **options)

builtins.__import__ = interrupted
"""


async def test_sigterm_ends_a_service_that_is_importing_a_library_which_swallows_exceptions(
    nats_url: str, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SWALLOWING)
    environment = {"PATH": os.environ["PATH"], "NATS_URL": nats_url, "CONSUL_ENABLED": "false", "HTTP_PORT": "0"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "src.main"), cwd=SERVICE, env=environment | {"PYTHONPATH": str(tmp_path)}
    )
    try:
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        if process.returncode is None:
            process.kill()


async def test_an_error_made_of_the_cancellation_is_no_failed_attempt(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    """Some libraries raise their own error when what they wait for is cancelled."""
    started = asyncio.Event()

    async def handle(event: dict[str, Any]) -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise ConnectionError("closed") from None

    tested = Subscription(handler="tested", subject=SUBJECT, function=handle, max_attempts=1)
    async with run_worker(tested, GRACEFUL_SHUTDOWN_TIMEOUT=0.3) as worker:
        await jetstream.publish(SUBJECT, b"{}")
        await started.wait()

    stats = Counts(worker.runners[0])
    assert (stats.released, stats.dead_letters.total()) == (1, 0)


async def test_a_handler_that_finishes_although_it_was_cancelled_is_done(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    started = asyncio.Event()

    async def handle(event: dict[str, Any]) -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)

    tested = Subscription(handler="tested", subject=SUBJECT, function=handle)
    async with run_worker(tested, GRACEFUL_SHUTDOWN_TIMEOUT=0.3) as worker:
        await jetstream.publish(SUBJECT, b"{}")
        await started.wait()

    info = await jetstream.consumer_info("INTEGRATION", "billing-tested")
    assert Counts(worker.runners[0]).handled == 1
    assert info.num_ack_pending == 0


async def test_a_worker_task_that_is_cancelled_by_something_else_stops_the_worker(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    """Rather than leaving a handler that nobody runs any more."""

    async def handle(event: dict[str, Any]) -> None: ...

    tested = Subscription(handler="tested", subject=SUBJECT, function=handle)
    stopped = False
    try:
        async with run_worker(tested) as worker:
            worker.runners[0]._tasks[0].cancel()
            await until(lambda: worker.working.done(), "the worker's end", limit=30)
    except RuntimeError as error:
        stopped = "_handle_messages" in str(error)

    assert stopped
