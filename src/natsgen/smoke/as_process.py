"""A sample that runs as a process on this machine, beside a NATS server of its own."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

from natsgen.harness.commands import run
from natsgen.harness.consul_api import ConsulApi
from natsgen.harness.errors import HarnessError
from natsgen.harness.http_client import Response, request
from natsgen.harness.nats_server import NatsServer
from natsgen.harness.ports import LOOPBACK
from natsgen.harness.processes import Stopped
from natsgen.harness.service import GeneratedService
from natsgen.smoke import dockerfile
from natsgen.smoke.live import CONSUL_TTL, GRACEFUL_SECONDS, Running
from natsgen.smoke.shared import SharedServers
from natsgen.smoke.steps import LeftOut
from natsgen.smoke.work import Work

NO_INBOX, REDIS = "none", "redis"
HEALTH_SECONDS = 10.0
OVER_TIME = 5.0
"""Seconds that a service gets beyond what it was told that it may take to stop."""


class AsProcess(Running):
    """The service of a sample in an environment that holds its run-time requirements and nothing else."""

    def __init__(self, work: Work, shared: SharedServers, name: str = "run") -> None:
        self._work = work
        self._shared = shared
        self._folder = work.logs / name
        self._stack = ExitStack()
        self._nats: NatsServer | None = None
        self._service: GeneratedService | None = None
        self._inbox = str(work.answers.get("dedup", NO_INBOX))
        self._inbox_missing = ""

    def start(self) -> None:
        """Starts the NATS server and the service, until it serves HTTP."""
        self._nats = NatsServer(self._folder / "nats", program=self._work.tools.nats_server or self._own_nats_server())
        self._stack.enter_context(self._nats)
        self._service = GeneratedService(
            self._work.folder,
            python=self._work.python("requirements.txt"),
            log_folder=self._folder,
            settings=self._settings(),
            name=self._work.service,
        )
        self._stack.enter_context(self._work.stopping.ending(self.kill))
        self._stack.callback(self.kill)
        self._service.start()

    def stop(self) -> Stopped:
        """Asks the service to end (SIGTERM), and kills it if it does not in time."""
        return self._running.stop(GRACEFUL_SECONDS + OVER_TIME)

    def end(self) -> None:
        """Ends the service and its NATS server."""
        self._stack.close()

    def kill(self) -> None:
        """Ends the service at once."""
        if self._service is not None and self._service.started:
            self._service.kill()

    def check_alive(self) -> None:
        """Raises `ProcessDied` if the service has ended."""
        self._running.process.check_alive()

    @property
    def nats_url(self) -> str:
        """Where a client of NATS connects to."""
        if self._nats is None:
            raise HarnessError("there is no NATS server yet")
        return self._nats.url

    @property
    def consul(self) -> ConsulApi:
        """The Consul agent of the run."""
        return self._shared.consul()

    @property
    def inbox(self) -> str:
        """Which inbox it runs with."""
        if self._inbox_missing:
            raise LeftOut(self._inbox_missing)
        return self._inbox

    def request(self, path: str, *, method: str = "GET", body: str | None = None) -> Response:
        """Return what the service answers."""
        headers = {"Content-Type": "application/json"} if body else {}
        return request(LOOPBACK, self._running.port, path, method=method, body=body, headers=headers)

    def status_at(self, address: str, port: int) -> int:
        """Return what it answers at the address that Consul has."""
        return request(address, port, "/readyz").status

    def lines(self) -> list[str]:
        """Return what it has printed on standard output."""
        return self._service.process.lines() if self._service and self._service.started else []

    def error_lines(self) -> list[str]:
        """Return what it has printed on standard error."""
        return self._service.process.error_lines() if self._service and self._service.started else []

    def check_health(self) -> int:
        """Return the exit code of the health check that the Dockerfile names, run here."""
        command = dockerfile.read(self._work.folder / "Dockerfile").health_check
        python = self._work.python("requirements.txt")
        environment = {
            "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "HTTP_HOST": LOOPBACK,
            "HTTP_PORT": str(self._running.port),
        }
        done = run(command, limit=HEALTH_SECONDS, folder=self._work.folder, environment=environment, check=False)
        return done.exit_code

    def user_id(self) -> int:
        """Return the user ID of this process."""
        return os.getuid()

    @property
    def _running(self) -> GeneratedService:
        if self._service is None:
            raise HarnessError("the service has not been started")
        return self._service

    def _settings(self) -> dict[str, str]:
        settings = {
            "NATS_URL": self.nats_url,
            "HOSTNAME": f"{self._work.service}-1",
            "GRACEFUL_SHUTDOWN_TIMEOUT": f"{GRACEFUL_SECONDS:g}",
            "CONSUL_TTL": f"{CONSUL_TTL:g}",
            "PYTHONPYCACHEPREFIX": str(self._work.bytecode),
        }
        try:
            consul = self.consul
            settings |= {"CONSUL_HOST": consul.host, "CONSUL_PORT": str(consul.port)}
        except LeftOut:
            settings["CONSUL_ENABLED"] = "false"
        if self._inbox == REDIS:
            try:
                settings["REDIS_URL"] = self._shared.redis()
            except LeftOut as reason:
                settings["DEDUP"] = NO_INBOX
                self._inbox_missing = str(reason)
        return settings

    def _own_nats_server(self) -> Path | None:
        """Return the server that comes with the service's development requirements."""
        program = self._work.python().parent / "nats-server"
        return program if program.is_file() else None
