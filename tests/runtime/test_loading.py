"""A default worker is small: what it does not use is not loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from natsgen.harness.nats_server import NatsServer

STARTED = """
import asyncio, json, sys
import aiohttp
import src.main
from src.config import settings
from src.infrastructure.http_server import HttpServer
from src.infrastructure.service import Service

async def main():
    service = Service(settings)
    service.worker.check()
    http = HttpServer(settings, "1", service.worker)
    await http.start()
    service.start(http.port)
    while not service.worker.readiness().ready:
        await asyncio.sleep(0.02)
    loaded = []
    async with aiohttp.ClientSession() as session:
        for path in ("healthz", "readyz", "stats", "metrics", "healthz?deep=1"):
            async with session.get(f"http://127.0.0.1:{http.port}/{path}") as response:
                await response.read()
            loaded.append(sorted(sys.modules))
    await service.stop()
    await http.stop()
    print(json.dumps([loaded[-2], loaded[-1]]))

asyncio.run(main())
"""

UNUSED = ("src.pubsub", "src.requests", "src.toolkit", "src.web")
UNUSED_ENVELOPES = ("src.domain.cloud_event_headers", "src.domain.cloud_events", "src.domain.messages")
UNUSED_LIBRARIES = ("consul", "django", "fastapi", "nats.micro", "redis", "starlette", "uvicorn")


def modules_loaded(nats_server: NatsServer) -> tuple[list[str], list[str]]:
    """The modules of a default worker that is ready and has been asked for everything; and then deeply."""
    service = Path(str(sys.modules["src"].__file__)).parent.parent
    environment = {"NATS_URL": nats_server.url, "HTTP_PORT": "0", "CONSUL_ENABLED": "false", "DEDUP": "none"}
    run = subprocess.run(
        [sys.executable, "-c", STARTED],
        cwd=service,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    before, after = json.loads(run.stdout.splitlines()[-1])
    return before, after


def of(modules: list[str], *packages: str) -> list[str]:
    """Those of the modules that are the packages, or in them."""
    return [name for name in modules if any(f"{name}.".startswith(f"{package}.") for package in packages)]


def test_a_default_worker_loads_nothing_that_it_does_not_use(nats_server: NatsServer) -> None:
    before, after = modules_loaded(nats_server)

    assert of(before, *UNUSED, *UNUSED_ENVELOPES, *UNUSED_LIBRARIES) == []
    assert of(before, "src.domain") == [
        *("src.domain", "src.domain.envelope", "src.domain.events"),
        *("src.domain.handlers", "src.domain.handlers.order_created_handler"),
    ]
    assert "src.toolkit.statistics" in of(after, *UNUSED)  # so the check sees what is loaded
    assert of(after, "src.pubsub", "src.web", "src.tasks") == []
