"""How the worker stops, on a real NATS server."""

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

from nats.js import JetStreamContext

from src.config import settings
from src.infrastructure.subscription import Subscription
from tests.integration.conftest import RunWorker, until

SERVICE = Path(__file__).resolve().parent.parent.parent
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
    run_worker: RunWorker, jetstream: JetStreamContext
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
        await until(lambda: worker.runners[0].buffered == 19, "the rest waits")
        stopping = asyncio.create_task(worker.stop())
        await until(lambda: worker.runners[0].stats.released == 19, "the rest is given back")
        finish.set()
        await stopping
        stats = worker.runners[0].stats

    assert (stats.handled, stats.released) == (1, 19)


async def test_sigterm_stops_the_service_cleanly(nats_url: str, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "NATS_URL": nats_url, "CONSUL_ENABLED": "false", "HTTP_PORT": "0"}
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "src.main"), cwd=SERVICE, env=environment | {"DEDUP": "none"}, stdout=output
        )
    try:
        await until(lambda: asyncio.to_thread(is_ready, log), "the service is ready", limit=30)
        process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(process.wait(), 10)
    finally:
        if process.returncode is None:
            process.kill()

    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert code == 0
    assert lines[-1]["message"] in ("worker stopped", "gateway stopped")
    assert {line["service"] for line in lines} == {settings.SERVICE_NAME}
