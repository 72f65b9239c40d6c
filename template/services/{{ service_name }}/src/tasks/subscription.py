"""What a worker subscribes to for a task: a subject and a consumer for each priority."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, wraps
from typing import Any

from src.infrastructure.decoding import Signature
from src.infrastructure.message import Message
from src.infrastructure.subscription import Subscription
from src.tasks.execution import run_task
from src.tasks.names import Priority, stream_of, subject_of
from src.tasks.task import Task

PLAIN: Priority = "normal"  # the priority whose consumer has the plain name


@dataclass(frozen=True, kw_only=True)
class TaskSubscription(Subscription):
    """A task as a worker subscribes to it. Its own subject is that of the priority `normal`."""

    task: Task[Any, ..., Any]

    @cached_property
    def signature(self) -> Signature:
        """Return how `function` is called, which runs the task."""
        return replace(self.task.signature, takes_message=True)

    def of(self, priority: Priority, service: str) -> Subscription:
        """Return the subscription for the tasks of one priority."""
        if priority == PLAIN:
            return self
        subject = subject_of(self.task.queue, priority, self.task.name)
        return replace(self, subject=subject, durable=f"{self.durable_for(service)}-{priority}")


def subscription_of(task: Task[Any, ..., Any]) -> TaskSubscription:
    """Return the subscription of a task.

    Raises:
        ConfigurationError: an option is invalid.
    """

    @wraps(task.function)
    async def run(payload: Any, message: Message) -> None:
        await run_task(task, payload, message)

    policy = task.policy
    return TaskSubscription(
        handler=task.name,
        subject=subject_of(task.queue, PLAIN, task.name),
        function=run,
        stream=stream_of(task.queue),
        concurrency=policy.concurrency,
        prefetch=policy.prefetch or policy.concurrency,
        ack_wait=policy.ack_wait,
        max_attempts=policy.max_attempts,
        backoff=policy.backoff,
        task=task,
    )
