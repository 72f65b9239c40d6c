"""A sample that is running, as the checks share it: its parts, and what has been sent to it so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from natsgen.harness.errors import HarnessError, ProcessDied, WaitTimeout
from natsgen.harness.waiting import wait_until
from natsgen.parts.actions import Action
from natsgen.parts.handlers import Handler
from natsgen.parts.kinds import PartKind
from natsgen.parts.pubsub import Publisher, Subscriber
from natsgen.parts.routes import Route
from natsgen.parts.tasks import Task
from natsgen.smoke.outcome import CheckFailed
from natsgen.smoke.payloads import DOMAIN
from natsgen.smoke.running import Running
from natsgen.smoke.work import Work

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
        """The message with the end of the service's log."""
        return CheckFailed(message, log=self.running.tail())

    def counts(self, handler: str) -> dict[str, Any]:
        """What `/stats` says of a handler, or of a task."""
        return dict(self.running.stats()["subscriptions"][handler])

    def pubsub(self, kind: PartKind) -> dict[str, dict[str, Any]]:
        """What `/stats` says of publishers, or of subscribers, each by its name."""
        return {one[kind.noun]: one for one in self.running.stats().get(kind.question, [])}

    def guarded(self, check: Callable[[Live], str | None]) -> Callable[[], str | None]:
        """The check as a step, whose every failure shows the service's log."""

        def do() -> str | None:
            try:
                return check(self)
            except (HarnessError, OSError, KeyError) as error:
                raise self.failure(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}") from error

        return do
