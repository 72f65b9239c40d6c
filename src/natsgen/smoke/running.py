"""A sample that runs as a process with its own NATS server, and what checks can ask of it."""

from __future__ import annotations

import os
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

from natsgen.harness.commands import run
from natsgen.harness.consul_agent import ConsulAgent
from natsgen.harness.consul_api import ConsulApi
from natsgen.harness.errors import HarnessError, ProcessDied, WaitTimeout
from natsgen.harness.http_client import Response, request
from natsgen.harness.nats_server import NatsServer
from natsgen.harness.ports import LOOPBACK
from natsgen.harness.service import GeneratedService
from natsgen.harness.waiting import wait_until
from natsgen.parts.kind import Part, PartKind
from natsgen.smoke.steps import CheckFailed, LeftOut
from natsgen.smoke.work import ENGINE_SECONDS, Work, need_program, on_engine

CONSUL_TTL = 3.0
"""Seconds: the minimum that a service accepts, so that a missing heartbeat shows soon."""
GRACEFUL_SECONDS = 10.0
"""The seconds that a service gets to stop; an idle one needs less than one."""
POLL_SECONDS = 0.05
NO_INBOX = "none"
REDIS = ("redis:8-alpine", "redis-server", "--protected-mode", "no")

Value = TypeVar("Value")
AnyPart = TypeVar("AnyPart", bound=Part)


class SharedServers(ExitStack):
    """A Consul agent and a Redis server for all samples of a run, each started when the first sample needs it.

    Samples have different names, so they do not collide. Each sample has its own NATS server, because they would share
    streams. As a context manager it stops the servers at the end; logs are in `folder`.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._lock = threading.Lock()
        self._consul: ConsulAgent | None = None
        self._redis = ""

    def consul(self) -> ConsulApi:
        """Return the Consul agent. Raises `LeftOut` if `consul` is not installed."""
        need_program("consul")
        with self._lock:
            if self._consul is None:
                self._consul = self.enter_context(ConsulAgent(self._folder / "consul"))
            return self._consul.api

    def redis(self) -> str:
        """Return the address of the Redis server."""
        with self._lock:
            if not self._redis:
                name = f"natsgen-redis-{uuid.uuid4().hex[:10]}"
                create = ("run", "--detach", "--name", name, "--publish", f"{LOOPBACK}::6379", *REDIS)
                on_engine(self, create, ("rm", "--force", "--volumes", name))
                port = run(["docker", "port", name, "6379"], limit=ENGINE_SECONDS).output.rpartition(":")[2].strip()
                self._redis = f"redis://{LOOPBACK}:{port}/0"
            return self._redis


class Running:
    """A sample with its NATS server: `start` starts both; `end` stops them and may be called at any time, repeatedly.

    Attributes:
        work: the sample.
        handled: the expected number of handled messages, by handler or task.
        published: the number of published events, which also numbers them.
        passing_since: when Consul first reported it as passing, on the monotonic clock.
        nats: the server, once started.
        service: the process, once started.
    """

    nats: NatsServer
    service: GeneratedService

    def __init__(self, work: Work, shared: SharedServers, parts: Iterable[Part], name: str = "run") -> None:
        self.work = work
        self.handled: Counter[str] = Counter()
        self.published = 0
        self.passing_since = 0.0
        self._shared = shared
        self._parts = tuple(parts)
        self._folder = work.root / "logs" / name
        self._stack = ExitStack()

    @property
    def name(self) -> str:
        """Return the service's name."""
        return self.work.service

    @property
    def url(self) -> str:
        """Return the address of the NATS server."""
        return self.nats.url

    @property
    def inbox(self) -> str:
        """Return the answer to `dedup`: the kind of inbox."""
        return str(self.work.answers.get("dedup", NO_INBOX))

    def parts(self, kind: type[AnyPart]) -> list[AnyPart]:
        """Return the parts of one kind that it must have."""
        return [part for part in self._parts if isinstance(part, kind)]

    def start(self) -> None:
        """Start the NATS server and the service, and wait until it serves HTTP."""
        own = self.work.python().parent / "nats-server"  # installed with its development requirements
        self.nats = NatsServer(self._folder / "nats", program=own if own.is_file() else None)
        self._stack.enter_context(self.nats)
        self.service = GeneratedService(
            self.work.folder,
            python=self.work.python("requirements.txt"),
            log_folder=self._folder,
            settings=self._settings(),
            name=self.name,
        )
        self._stack.enter_context(self.service)

    def end(self) -> None:
        """Stop the service and its NATS server."""
        self._stack.close()

    def consul(self) -> ConsulApi:
        """Return the Consul agent that it registers with. Raises `LeftOut` if `consul` is not installed."""
        return self._shared.consul()

    def request(self, path: str, *, method: str = "GET", body: str | None = None) -> Response:
        """Send the service an HTTP request, and return its response."""
        headers = {"Content-Type": "application/json"} if body else {}
        return request(LOOPBACK, self.service.port, path, method=method, body=body, headers=headers)

    def stats_of(self, kind: PartKind | None, name: str) -> dict[str, Any]:
        """Return the entry of a publisher or subscriber in `/stats`; without a kind, of a handler or task."""
        stats = self.service.stats()
        if kind is None:
            return dict(stats["subscriptions"][name])
        return next(one for one in stats[kind.question] if one[kind.noun] == name)

    def streams(self) -> dict[str, dict[str, Any]]:
        """Return the NATS server's report on each stream, with its consumers."""
        accounts = self.nats.jsz()["account_details"]
        return {stream["name"]: stream for account in accounts for stream in account.get("stream_detail", [])}

    def wait(self, condition: Callable[[], Value | None], *, limit: float, otherwise: Callable[[], str]) -> Value:
        """Wait until the condition returns a truthy value, and return that.

        Raises:
            CheckFailed: it did not within `limit` seconds (`otherwise` returns the message), or the service ended.
            Interrupted: the user interrupted the run.
        """

        def check_running() -> None:
            self.work.stopping.check()
            self.service.process.check_alive()

        try:
            return wait_until(condition, limit=limit, what="it", every=POLL_SECONDS, alive=check_running)
        except ProcessDied as error:
            raise self.failure(str(error).partition(". ")[0]) from error
        except WaitTimeout as error:
            raise self.failure(f"{otherwise()} (waited {limit:g} s)") from error

    def await_count(
        self, stats: Callable[[], dict[str, Any]], key: str, expected: int, *, name: str, what: str, limit: float
    ) -> None:
        """Wait until an entry of `/stats` has the expected count. Raises `CheckFailed` if it does not."""

        def otherwise() -> str:
            found = stats()
            seen = f"{name} has {key} {found[key]} of {expected} {what}"
            return f"{seen}; its last error: {found['last_error']}" if found.get("last_error") else seen

        self.wait(lambda: stats()[key] == expected, limit=limit, otherwise=otherwise)

    def failure(self, message: str) -> CheckFailed:
        """Return an error with the message and the end of the service's log."""
        service = getattr(self, "service", None)
        return CheckFailed(message, log=service.process.tail() if service and service.started else "")

    def guarded(self, check: Callable[[Running], str | None]) -> Callable[[], str | None]:
        """Return the check as a function whose every failure shows the service's log."""

        def do() -> str | None:
            try:
                return check(self)
            except HarnessError as error:
                raise self.failure(str(error).partition("\n")[0].partition(". The end of its output")[0]) from error
            except (OSError, KeyError) as error:
                raise self.failure(f"{type(error).__name__}: {error}") from error

        return do

    def _settings(self) -> dict[str, str]:
        settings = {
            "NATS_URL": self.url,
            "HOSTNAME": f"{self.name}-1",
            "GRACEFUL_SHUTDOWN_TIMEOUT": f"{GRACEFUL_SECONDS:g}",
            "CONSUL_TTL": f"{CONSUL_TTL:g}",
            "PYTHONPYCACHEPREFIX": str(self.work.bytecode),
        }
        try:
            consul = self.consul()
            settings |= {"CONSUL_HOST": consul.host, "CONSUL_PORT": str(consul.port)}
        except LeftOut:
            settings["CONSUL_ENABLED"] = "false"
        if self.inbox == "redis":
            settings |= {"REDIS_URL": self._shared.redis()} if self.work.docker else {"DEDUP": NO_INBOX}
        return settings


def environment_path(python: Path) -> str:
    """Return a PATH that begins with an environment's programs."""
    return f"{python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
