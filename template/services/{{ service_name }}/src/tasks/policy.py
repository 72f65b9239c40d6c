"""How a task is run, retried and given up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypedDict

from src.infrastructure.handling.backoff import Backoff
from src.tasks.names import PRIORITIES, Priority
from src.tasks.schedules import Schedule


@dataclass(frozen=True, slots=True)
class Policy:
    """How a task is run, retried and given up.

    Attributes:
        priority: that it has unless whoever enqueues it says another.
        concurrency: how many one instance runs at once.
        timeout: seconds that an attempt may take; without it there is no limit.
        max_attempts: starts after which a failing task becomes a dead letter.
        backoff: the delays between attempts.
        schedule_above: seconds; a longer delay is scheduled on the server.
        ack_wait: seconds without a sign of life after which another instance gets the task; renewed while it runs.
        prefetch: tasks of each priority that are asked for ahead; as many as `concurrency` unless given, since what one
            instance holds, no other can begin.
        result_ttl: seconds for which results are kept, unless whoever enqueues it says something else; without it they
            are not.
        schedule: when it runs by itself.
    """

    priority: Priority = "normal"
    concurrency: int = 1
    timeout: float | None = None
    max_attempts: int = 5
    backoff: Backoff = field(default_factory=Backoff)
    schedule_above: float = 30.0
    ack_wait: float = 30.0
    prefetch: int | None = None
    result_ttl: float | None = None
    schedule: Schedule | None = None

    def problems(self) -> list[str]:
        """What is wrong with it, beside what a subscription says itself."""
        found = []
        if self.priority not in PRIORITIES:
            found.append(f"priority is {self.priority!r}; it takes {', '.join(PRIORITIES)}")
        if self.timeout is not None and not self.timeout > 0:
            found.append(f"timeout is {self.timeout}; it takes seconds above 0")
        if self.result_ttl is not None and not self.result_ttl >= 1:
            found.append(f"result_ttl is {self.result_ttl}; it takes seconds, 1 or more")
        return found


class Options(TypedDict, total=False):
    """What `task` takes beside name and queue; each is an attribute of `Policy`, with its default there."""

    priority: Priority
    concurrency: int
    timeout: float | None
    max_attempts: int
    backoff: Backoff
    schedule_above: float
    ack_wait: float
    prefetch: int | None
    result_ttl: float | None
    schedule: Schedule | None
