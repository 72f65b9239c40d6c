"""Makes the template's runtime importable as `src`, the way it runs: as a service generated with defaults.

`src/config.py` reads the service's pyproject.toml, which exists only in a generated service.
"""

from __future__ import annotations

import atexit
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from natsgen.harness.nats_server import NatsServer

WORKSPACE = Path(tempfile.mkdtemp(prefix="natsgen-runtime-"))
atexit.register(shutil.rmtree, WORKSPACE, ignore_errors=True)
subprocess.run(
    [
        *(sys.executable, "-m", "natsgen", "new", "worker", "billing", "--subject", "orders.order.created"),
        *("--workspace", str(WORKSPACE), "--no-input"),
    ],
    check=True,
    capture_output=True,
)
sys.path.insert(0, str(WORKSPACE / "services" / "billing"))

from src.config import Settings, settings  # noqa: E402
from src.infrastructure.nats_client import NatsClient  # noqa: E402


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    with NatsServer(tmp_path / "nats") as server:
        yield server


@pytest.fixture
def service_settings(nats_server: NatsServer) -> Settings:
    return settings.model_copy(update={"NATS_URL": nats_server.url, "CONSUL_ENABLED": False})


@pytest.fixture
async def client(service_settings: Settings) -> AsyncIterator[NatsClient]:
    """The runtime's own connection."""
    connection = NatsClient(service_settings)
    await connection.connect()
    yield connection
    await connection.close()
