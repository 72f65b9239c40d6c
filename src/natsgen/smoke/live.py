"""A sample that is running, wherever it does: its parts, what has been sent to it, and what checks may ask of it."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from natsgen.harness.consul_api import ConsulApi
from natsgen.harness.errors import HarnessError, ProcessDied, WaitTimeout
from natsgen.harness.http_client import Response
from natsgen.harness.metrics_text import parse_metrics
from natsgen.harness.processes import Stopped
from natsgen.harness.waiting import wait_until
from natsgen.parts.actions import Action
from natsgen.parts.handlers import Handler
from natsgen.parts.kind import PartKind
from natsgen.parts.publishers import Publisher
from natsgen.parts.routes import Route
from natsgen.parts.subscribers import Subscriber
from natsgen.parts.tasks import Task
from natsgen.smoke.steps import CheckFailed
from natsgen.smoke.traffic import DOMAIN
from natsgen.smoke.work import Work

CONSUL_TTL = 3.0
"""Seconds: the least that a service takes, so that a heartbeat that is missing shows soon."""

GRACEFUL_SECONDS = 10.0
"""What a service is told that it may take to stop; idle ones take less than one."""


class Running(ABC):
    """A sample with the servers that it needs.

    `start` starts all of it; `end` ends whatever runs, and may be called at any time and again.
    """

    @abstractmethod
    def start(self) -> None:
        """Starts the servers and the service, until it serves HTTP."""

    @abstractmethod
    def stop(self) -> Stopped:
        """Asks the service to end (SIGTERM), and kills it if it does not in time. The servers run on."""

    @abstractmethod
    def end(self) -> None:
        """Ends and removes all of it."""

    @abstractmethod
    def kill(self) -> None:
        """Ends the service at once, from any thread, so that who waits for it hears of it."""

    @abstractmethod
    def check_alive(self) -> None:
        """Raises `ProcessDied` if the service has ended."""

    @property
    @abstractmethod
    def nats_url(self) -> str:
        """Where a client of NATS connects to."""

    @property
    @abstractmethod
    def consul(self) -> ConsulApi:
        """The Consul agent that it registers with. Raises `LeftOut` where there is none."""

    @property
    @abstractmethod
    def inbox(self) -> str:
        """Which inbox it runs with. Raises `LeftOut` where the one that it is made for cannot be had."""

    @abstractmethod
    def request(self, path: str, *, method: str = "GET", body: str | None = None) -> Response:
        """What the service answers."""

    @abstractmethod
    def status_at(self, address: str, port: int) -> int:
        """What `/readyz` answers at the address that Consul has. Raises `OSError` when nobody is there."""

    @abstractmethod
    def lines(self) -> list[str]:
        """What it has printed on standard output."""

    @abstractmethod
    def error_lines(self) -> list[str]:
        """What it has printed on standard error."""

    @abstractmethod
    def check_health(self) -> int:
        """The exit code of the image's health check, as it is now."""

    @abstractmethod
    def user_id(self) -> int:
        """As whom it runs."""

    def tail(self) -> str:
        """Return the end of what it has printed."""
        return "\n".join([*self.lines()[-25:], *self.error_lines()[-15:]])

    def stats(self) -> dict[str, Any]:
        """`/stats`, parsed."""
        return dict(json.loads(self._body("/stats")))

    def metrics(self) -> dict[str, float]:
        """`/metrics`: the value of each sample by its name with its labels."""
        return parse_metrics(self._body("/metrics"))

    def _body(self, path: str) -> str:
        response = self.request(path)
        if response.status != 200:
            raise HarnessError(f"{path} answered {response.status}: {response.body.strip()}")
        return response.body


POLL_SECONDS = 0.05

Value = TypeVar("Value")


@dataclass
class Live:
    """A running sample.

    Attributes:
        work: the sample.
        running: where it runs.
        handlers: that it has to have.
        actions: that it has to have.
        routes: that it has to have, as a gateway.
        tasks: that it has to have.
        publishers: that it has to have.
        subscribers: that it has to have.
        handled: how many events each handler, and how many tasks each kind of task, has been sent and has to have
            handled.
        published: how many events have been published, which also numbers them.
        handles: whether its handlers or tasks do what they should, as far as that has been seen.
        passing_since: when Consul first called it passing, on the monotonic clock; None before.
    """

    work: Work
    running: Running
    handlers: tuple[Handler, ...] = ()
    actions: tuple[Action, ...] = ()
    routes: tuple[Route, ...] = ()
    tasks: tuple[Task, ...] = ()
    publishers: tuple[Publisher, ...] = ()
    subscribers: tuple[Subscriber, ...] = ()
    handled: Counter[str] = field(default_factory=Counter)
    published: int = 0
    handles: bool = False
    passing_since: float | None = None

    @property
    def envelope(self) -> str:
        """What its events travel in, as the template's question has it."""
        return str(self.work.answers.get("envelope", DOMAIN))

    @property
    def service(self) -> str:
        """The service's name."""
        return self.work.service

    def wait(self, condition: Callable[[], Value | None], *, limit: float, otherwise: Callable[[], str]) -> Value:
        """Waits until the condition is something truthy, and returns that.

        Raises:
            CheckFailed: it was not within `limit` seconds, for which `otherwise` has the words, or the service ended.
            Interrupted: the run is given up.
        """

        def go_on() -> None:
            self.work.stopping.check()
            self.running.check_alive()

        try:
            return wait_until(condition, limit=limit, what="it", every=POLL_SECONDS, alive=go_on)
        except ProcessDied as error:
            raise self.failure(str(error).partition(". ")[0]) from error
        except WaitTimeout as error:
            raise self.failure(f"{otherwise()} (waited {limit:g} s)") from error

    def failure(self, message: str) -> CheckFailed:
        """Return the message with the end of the service's log."""
        return CheckFailed(message, log=self.running.tail())

    def counts(self, handler: str) -> dict[str, Any]:
        """Return what `/stats` says of a handler, or of a task."""
        return dict(self.running.stats()["subscriptions"][handler])

    def pubsub(self, kind: PartKind) -> dict[str, dict[str, Any]]:
        """Return what `/stats` says of publishers, or of subscribers, each by its name."""
        return {one[kind.noun]: one for one in self.running.stats().get(kind.question, [])}

    def guarded(self, check: Callable[[Live], str | None]) -> Callable[[], str | None]:
        """Return the check as a step, whose every failure shows the service's log."""

        def do() -> str | None:
            try:
                return check(self)
            except (HarnessError, OSError, KeyError) as error:
                raise self.failure(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}") from error

        return do
