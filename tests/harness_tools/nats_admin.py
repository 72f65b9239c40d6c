"""Watching the connections of a NATS server, and giving it another configuration while it runs."""

from __future__ import annotations

import signal
from typing import Any

from natsgen.harness.local_server import START_SECONDS
from natsgen.harness.nats_server import NatsServer
from natsgen.harness.waiting import wait_until


def connections(server: NatsServer) -> list[dict[str, Any]]:
    """Return the client connections (`/connz`). Raises as `NatsServer.monitor` does."""
    return list(server.monitor("/connz?subs=true")["connections"])


def reload(server: NatsServer, configuration: str) -> None:
    """Make the server read another configuration, and wait until it has. Raises `WaitTimeout` if it does not."""
    before = server.monitor("/varz")["config_load_time"]
    server.configuration = configuration
    server.write_configuration()
    server.process.signal(signal.SIGHUP)
    wait_until(
        lambda: server.monitor("/varz")["config_load_time"] != before,
        limit=START_SECONDS,
        what=f"{server.name} to read its configuration",
    )
