"""The worker on uvloop, which it uses where that is installed: where this test runs, and not in its own environment."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from nats.js import JetStreamContext

from natsgen.harness.nats_server import NatsServer
from natsgen.harness.service import GeneratedService
from natsgen.harness.waiting import wait_until
from tests.harness_tools.readiness import wait_ready
from tests.smoke.traffic import handled, publish


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop is not for Windows")
async def test_it_reconnects_and_stops_in_order_on_uvloop(
    service: Path, nats_server: NatsServer, jetstream: JetStreamContext, tmp_path: Path
) -> None:
    worker = GeneratedService(
        service,
        python=sys.executable,
        log_folder=tmp_path,
        settings={"CONSUL_ENABLED": "false", "NATS_URL": nats_server.url},
    )
    with worker:
        await asyncio.to_thread(wait_ready, worker)
        await publish(jetstream, 100)
        await asyncio.to_thread(wait_until, lambda: len(handled(worker)) == 100, limit=60, what="the first part")
        await asyncio.to_thread(nats_server.kill)
        await asyncio.to_thread(nats_server.start)
        await publish(jetstream, 100, first=100)
        await asyncio.to_thread(wait_until, lambda: len(handled(worker)) == 200, limit=60, what="the second part")
        stopped = await asyncio.to_thread(worker.stop)

    assert (stopped.exit_code, stopped.forced) == (0, False)
    (started,) = [record for record in worker.log_records() if record["message"] == "worker starting"]
    assert started["event_loop"].startswith("uvloop")
