"""A Redis server in a container, which keeps its data through kills and restarts."""

from __future__ import annotations

import socket
import uuid
from pathlib import Path

from natsgen.harness.commands import run
from natsgen.harness.errors import ProcessDied
from natsgen.harness.local_server import FixedPortServer
from natsgen.harness.ports import ADDRESS_IN_USE, LOOPBACK, Ports
from natsgen.harness.processes import KILL_SECONDS, STOP_SECONDS, ManagedProcess, Stopped
from natsgen.harness.programs import need_program
from natsgen.harness.reaper import Reaper
from natsgen.harness.waiting import wait_until

IMAGE = "redis:8-alpine"
COMMAND_SECONDS = 60.0
PULL_SECONDS = 300.0
"""The image may have to be pulled first."""


class RedisServer(FixedPortServer):
    """A `redis-server` that writes every change to a file before it answers (`appendonly`), on 127.0.0.1.

    A container and not a process: the binary of the image runs only with the image's own libraries. The container is
    made at the first start, keeps the data from then on, and is removed at the end of the `with` block or when this
    process dies. The log is in `folder`.

    Raises `ProgramMissing` if there is no `docker` program.
    """

    def __init__(self, folder: Path, *, name: str = "redis") -> None:
        super().__init__(name, port_count=1)
        self.folder = folder.resolve()
        self._docker = need_program("docker", hint="Redis runs as a container here")
        self._container = ""
        self._reaper: Reaper | None = None

    @property
    def port(self) -> int:
        """The port for clients. Raises `HarnessError` before the first start."""
        return self.ports[0]

    @property
    def url(self) -> str:
        """What a client connects to. Raises `HarnessError` before the first start."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    def stop(self, limit: float = STOP_SECONDS) -> Stopped:
        """Ask it to end (SIGTERM), and kill it if it has not done so within `limit` seconds."""
        self._engine("unpause")  # a frozen one hears no signal
        self._engine("kill", "--signal", "TERM")
        stopped = self.process.stop(limit)
        if stopped.forced:
            self._engine("kill")
        return stopped

    def kill(self) -> None:
        """End it at once (SIGKILL), as a crash does."""
        self._engine("kill")
        self.process.wait(KILL_SECONDS)

    def freeze(self) -> None:
        """Make it silent, its connections open."""
        self._engine("pause")

    def resume(self) -> None:
        """Let it run on after `freeze`."""
        self._engine("unpause")

    def remove(self) -> None:
        """Remove the container with its data."""
        if self._container:
            self._engine("rm", "--force", "--volumes")
            self._container = ""
        if self._reaper is not None:
            self._reaper.dismiss()

    def __exit__(self, *_: object) -> None:
        self.remove()
        super().__exit__()

    def _spawn(self, ports: Ports) -> ManagedProcess:
        if not (self._container and self._ports == ports):
            self._make(ports[0])
        # Attached, so that the process lives as long as the container, and its output is the container's.
        return ManagedProcess(
            [self._docker, "start", "--attach", self._container], name=self.name, log_folder=self.folder
        )

    def _make(self, port: int) -> None:
        self.remove()  # made for another port, which turned out to be taken
        self._container = f"natsgen-redis-{uuid.uuid4().hex[:10]}"
        self._reaper = Reaper("docker", "rm", "--force", "--volumes", self._container)
        run(
            [
                *(self._docker, "create", "--name", self._container, "--publish", f"{LOOPBACK}:{port}:6379", IMAGE),
                *("redis-server", "--appendonly", "yes", "--protected-mode", "no"),
            ],
            limit=PULL_SECONDS,
        )

    def _wait_until_ready(self, process: ManagedProcess, ports: Ports, limit: float) -> None:
        try:
            wait_until(lambda: _pong(ports[0]), limit=limit, what=f"{self.name} to answer", alive=process.check_alive)
        except ProcessDied as error:
            if "already allocated" in str(error):  # what Docker calls a port that another container has
                raise ProcessDied(f"{error}: {ADDRESS_IN_USE}") from error
            raise

    def _engine(self, command: str, *options: str) -> None:
        # Also asked for what is so already (ending one that has ended): that it is so afterwards is what counts.
        run([self._docker, command, *options, self._container], limit=COMMAND_SECONDS, check=False)


def _pong(port: int) -> bool:
    with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(64).startswith(b"+PONG")
