"""A cluster of NATS servers with JetStream as processes on 127.0.0.1, each of which can be ended by its name."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from natsgen.harness.errors import HarnessError
from natsgen.harness.local_server import START_SECONDS
from natsgen.harness.nats_server import NatsServer
from natsgen.harness.ports import LOOPBACK, Ports, start_on_free_ports
from natsgen.harness.waiting import wait_until
from tests.harness_tools.nats_request import REQUEST_SECONDS, ask_jetstream

LEADER_SECONDS = 20.0
"""An election takes a second or two; on a busy machine it may take several rounds."""

LOOK_SECONDS = 0.5
"""How long one look may take: without a leader nobody answers, and the next look finds one sooner than more waiting."""


class NatsCluster:
    """Servers named `n1`, `n2`, ... under `folder`, each a `NatsServer` to kill, freeze and start again.

    The addresses stay the same from the first start on. `configuration` is added to that of each server.
    As a context manager it is started and stopped.

    Raises `ProgramMissing` if there is no `nats-server` program.
    """

    def __init__(self, folder: Path, *, size: int = 3, configuration: str = "") -> None:
        self._folder = folder.resolve()
        self._names = [f"n{number}" for number in range(1, size + 1)]
        self._configuration = configuration
        self._servers: dict[str, NatsServer] = {}

    @property
    def servers(self) -> dict[str, NatsServer]:
        """The servers by name. Raises `HarnessError` before the first start."""
        if not self._servers:
            raise HarnessError("the cluster has no servers before its first start")
        return self._servers

    def __getitem__(self, name: str) -> NatsServer:
        return self.servers[name]

    @property
    def url(self) -> str:
        """What a client connects to: the addresses of all servers, comma-separated."""
        return ",".join(server.url for server in self.servers.values())

    def start(self, *, limit: float = START_SECONDS) -> None:
        """Start all servers and wait up to `limit` seconds until each is healthy, which needs a leader.

        Raises `ProcessDied` or `WaitTimeout`, each with the end of a server's output.
        """
        if self._servers:
            self._start_all(limit)
        else:
            start_on_free_ports(len(self._names), lambda ports: self._start_first(ports, limit))

    def stop(self) -> None:
        """Stop the servers that run, all at once."""
        self._together([server.stop for server in self._servers.values() if server.started])

    def stream_leader(self, stream: str) -> str:
        """The name of the server that leads the stream; waits for an election that is under way."""
        return self._leader(f"STREAM.INFO.{stream}")

    def consumer_leader(self, stream: str, consumer: str) -> str:
        """The name of the server that leads the consumer; waits for an election that is under way."""
        return self._leader(f"CONSUMER.INFO.{stream}.{consumer}")

    def step_down_stream(self, stream: str) -> None:
        """Make another server lead the stream; returns when the server has agreed to step down."""
        self._ask(f"STREAM.LEADER.STEPDOWN.{stream}")

    def step_down_consumer(self, stream: str, consumer: str) -> None:
        """Make another server lead the consumer; returns when the server has agreed to step down."""
        self._ask(f"CONSUMER.LEADER.STEPDOWN.{stream}.{consumer}")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start_first(self, ports: Ports, limit: float) -> None:
        routes = ", ".join(f'"nats://{LOOPBACK}:{port}"' for port in ports)
        self._servers = {
            name: NatsServer(
                self._folder / name,
                name=name,
                configuration=f"server_name: {name}\n"
                f'cluster {{ name: harness, listen: "{LOOPBACK}:{port}", routes: [{routes}] }}\n'
                f"{self._configuration}\n",
            )
            for name, port in zip(self._names, ports, strict=True)
        }
        try:
            self._start_all(limit)
        except BaseException:
            self.stop()
            self._servers = {}
            raise

    def _start_all(self, limit: float) -> None:
        # Side by side: none is healthy before there is a leader, and there is none before most are there.
        self._together([partial(server.start, limit=limit) for server in self._servers.values()])

    def _together(self, steps: list[Callable[[], object]]) -> None:
        if not steps:
            return
        with ThreadPoolExecutor(len(steps)) as threads:
            for running in [threads.submit(step) for step in steps]:
                running.result()

    def _leader(self, subject: str) -> str:
        def leader() -> str:
            return str(self._ask(subject, limit=LOOK_SECONDS).get("cluster", {}).get("leader", ""))

        return wait_until(leader, limit=LEADER_SECONDS, what=f"{subject} to name a leader")

    def _ask(self, subject: str, *, limit: float = REQUEST_SECONDS) -> dict[str, Any]:
        """Ask through the first server that answers: one may be down or frozen."""
        failure: Exception = HarnessError("no server of the cluster runs")
        for server in self.servers.values():
            if not (server.started and server.process.running):
                continue
            try:
                return ask_jetstream(server.port, subject, limit=limit)
            except OSError as error:
                failure = error
        raise failure
