"""Base classes of the servers that run as processes on this machine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

from natsgen.harness.errors import HarnessError
from natsgen.harness.ports import Ports, start_on_free_ports, start_on_same_ports
from natsgen.harness.processes import STOP_SECONDS, ManagedProcess, Stopped

START_SECONDS = 30.0
"""Each server starts within two seconds; a busy machine or a large store to recover takes longer."""


class LocalServer(ABC):
    """A program that runs as one process at a time, and can be stopped and started again.

    As a context manager it is started and stopped.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._process: ManagedProcess | None = None

    @property
    def process(self) -> ManagedProcess:
        """Return the running (or last) process. Raises `HarnessError` before the first start."""
        if self._process is None:
            raise HarnessError(f"{self.name} has not been started")
        return self._process

    @property
    def started(self) -> bool:
        """Return whether it has been started at least once; it may have ended since."""
        return self._process is not None

    @abstractmethod
    def start(self, *, limit: float = START_SECONDS) -> None:
        """Start it and wait up to `limit` seconds until it is usable.

        Raises `ProcessDied` or `WaitTimeout`, each with the end of its output; `HarnessError` if it already runs.
        """

    def stop(self, limit: float = STOP_SECONDS) -> Stopped:
        """Send SIGTERM and wait up to `limit` seconds; then SIGKILL. Returns exit code, seconds, and whether forced."""
        return self.process.stop(limit)

    def kill(self) -> None:
        """Kill it, as a crash would."""
        self.process.kill()

    def restart(self, *, limit: float = START_SECONDS) -> None:
        """Stop it if it runs, and start it."""
        self.stop()
        self.start(limit=limit)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.stop()

    def _refuse_if_running(self) -> None:
        if self._process is not None and self._process.running:
            raise HarnessError(f"{self.name} already runs (process {self._process.pid})")


class FixedPortServer(LocalServer):
    """A server whose ports are chosen at its first start and then stay the same."""

    def __init__(self, name: str, *, port_count: int) -> None:
        super().__init__(name)
        self._port_count = port_count
        self._ports: Ports | None = None

    @property
    def ports(self) -> Ports:
        """All its ports. Raises `HarnessError` before the first start."""
        if self._ports is None:
            raise HarnessError(f"{self.name} has no port before its first start")
        return self._ports

    def start(self, *, limit: float = START_SECONDS) -> None:
        """Start it, on its previous ports if any, and wait up to `limit` seconds until it is ready for clients.

        Raises `ProcessDied` or `WaitTimeout`, each with the end of its output; `HarnessError` if it already runs.
        """
        self._refuse_if_running()
        if self._ports is None:
            start_on_free_ports(self._port_count, lambda ports: self._launch(ports, limit))
        else:
            start_on_same_ports(self._ports, lambda ports: self._launch(ports, limit))

    def _launch(self, ports: Ports, limit: float) -> None:
        process = self._spawn(ports)
        try:
            self._wait_until_ready(process, ports, limit)
        except BaseException:
            process.kill()
            raise
        self._process, self._ports = process, ports

    @abstractmethod
    def _spawn(self, ports: Ports) -> ManagedProcess:
        """Write the configuration for these ports and start the process."""

    @abstractmethod
    def _wait_until_ready(self, process: ManagedProcess, ports: Ports, limit: float) -> None:
        """Wait until this process, and no other, serves clients on `ports`."""
