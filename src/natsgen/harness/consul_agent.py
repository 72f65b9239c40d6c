"""A Consul agent (a single server, in memory) as a process on 127.0.0.1."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from natsgen.harness.commands import run
from natsgen.harness.consul_api import ConsulApi
from natsgen.harness.errors import HarnessError, ProgramMissing
from natsgen.harness.local_server import FixedPortServer
from natsgen.harness.ports import LOOPBACK, Ports
from natsgen.harness.processes import ManagedProcess
from natsgen.harness.programs import find_program
from natsgen.harness.waiting import wait_until

EMPTY: Mapping[str, Any] = MappingProxyType({})


class ConsulMissing(ProgramMissing):
    """Raised when `consul` is not installed."""


class ConsulAgent(FixedPortServer):
    """A `consul agent -dev` with its configuration and log in `folder`; Consul 1.8 and newer.

    Its ports are chosen at the first start and stay the same. It keeps all data in memory: a restart loses the
    registrations. `configuration` adds keys to Consul's configuration, and `token` is sent with every request.
    As a context manager it is started and stopped. Raises `ConsulMissing` if `consul` is not installed.
    """

    def __init__(
        self, folder: Path, *, name: str = "consul", token: str | None = None, configuration: Mapping[str, Any] = EMPTY
    ) -> None:
        super().__init__(name, port_count=3)
        program = find_program("consul")
        if program is None:
            raise ConsulMissing(
                "`consul` is not on PATH: install it (https://developer.hashicorp.com/consul/install), "
                "or use the container"
            )
        self.folder = folder.resolve()
        self.token = token
        self._configuration = configuration
        self._program = program
        self._node = f"harness-{uuid.uuid4().hex[:8]}"

    @property
    def http_port(self) -> int:
        """Return the port of the HTTP API. Raises `HarnessError` before the first start."""
        return self.ports[0]

    @property
    def api(self) -> ConsulApi:
        """Return the HTTP API, with the token if there is one. Raises `HarnessError` before the first start."""
        return ConsulApi(LOOPBACK, self.http_port, self.token)

    def _spawn(self, ports: Ports) -> ManagedProcess:
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"{self.name}.json"
        configuration = agent_configuration(self._node, ports, consul_version(self._program))
        file.write_text(json.dumps({**configuration, **self._configuration}, indent=2), encoding="utf-8")
        return ManagedProcess(
            [self._program, "agent", "-dev", "-config-file", file], name=self.name, log_folder=self.folder
        )

    def _wait_until_ready(self, process: ManagedProcess, ports: Ports, limit: float) -> None:
        api = ConsulApi(LOOPBACK, ports[0], self.token)

        def ready() -> bool:
            # The node's name proves that our agent answers on this port. Its entry in the catalog proves that there is
            # a leader, that tokens work, and that registrations reach the health endpoints.
            ours = api.get("/v1/agent/self")["Config"]["NodeName"] == self._node
            return ours and any(node["Node"] == self._node for node in api.get("/v1/catalog/nodes"))

        wait_until(ready, limit=limit, what=f"{self.name} to lead and answer", alive=process.check_alive)


def agent_configuration(node: str, ports: Ports, version: tuple[int, int]) -> dict[str, Any]:
    """Return the configuration of an agent; `ports` are for HTTP, Serf and RPC, `version` is Consul's.

    An agent does not start with an unknown key, so newer keys depend on the version.
    """
    configuration: dict[str, Any] = {
        "node_name": node,
        "bind_addr": LOOPBACK,
        "client_addr": LOOPBACK,
        "log_level": "INFO",
        "disable_update_check": True,
        "ports": {
            **{"http": ports[0], "serf_lan": ports[1], "server": ports[2]},
            **dict.fromkeys(("dns", "grpc", "https", "serf_wan"), -1),
        },
        "connect": {"enabled": False},  # creating its certificates delays each start by a second
    }
    if version >= (1, 14):
        configuration["ports"]["grpc_tls"] = -1  # otherwise a server listens on 8503
    return configuration


def consul_version(program: Path) -> tuple[int, int]:
    """Return the major and the minor version of a `consul` program."""
    output = run([program, "version"], limit=10).output
    found = re.search(r"Consul v(\d+)\.(\d+)", output)
    if found is None:
        raise HarnessError(f"{program} does not print its version: {output.strip()!r}")
    return int(found[1]), int(found[2])
