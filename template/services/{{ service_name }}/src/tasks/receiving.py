"""Receives tasks: as handlers receive events, from three consumers instead of one."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Iterator
from itertools import chain
from typing import Any

from src.infrastructure.errors import ConfigurationError
from src.infrastructure.intake import Intake
from src.infrastructure.message import Message
from src.infrastructure.pull_consumer import Consumer, PullConsumer
from src.infrastructure.worker import Worker
from src.requests.nats import nats as service_nats
from src.toolkit.errors import ToolkitError, Unavailable
from src.tasks.delivering import TaskDelivery
from src.tasks.names import PRIORITIES, Priority, priority_in, subject_of
from src.tasks.queue import Queue
from src.tasks.subscribing import PLAIN, TaskSubscription, subscription_of
from src.tasks.task import registered


def register(worker: Worker) -> None:
    """Gives the worker every task that was imported.

    Raises:
        ConfigurationError: a task does not fit.
    """
    for task in registered():
        worker.subscribe(subscription_of(task), TaskIntake, TaskDelivery)


class ByPriority:
    """Messages that were received and not started: the more important are taken first, else the older."""

    def __init__(self) -> None:
        self._waiting: dict[Priority, deque[Message]] = {priority: deque() for priority in PRIORITIES}
        self._replays = dict.fromkeys(PRIORITIES, 0)

    def append(self, message: Message, /) -> None:
        """Adds one; what comes back has the priority that it had."""
        priority = _priority_of(message)
        self._waiting[priority].append(message)
        self._replays[priority] += message.origin is not None

    def popleft(self) -> Message:
        """Takes the next."""
        for priority, waiting in self._waiting.items():
            if waiting:
                message = waiting.popleft()
                self._replays[priority] -= message.origin is not None
                return message
        raise IndexError("nothing waits")

    def held(self, priority: Priority) -> int:
        """How many of one priority wait, replays aside."""
        return len(self._waiting[priority]) - self._replays[priority]

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def __iter__(self) -> Iterator[Message]:
        return chain.from_iterable(self._waiting.values())


class TaskIntake(Intake):
    """What has come for one task, from a consumer for each priority; what is more important is taken first."""

    def __init__(self, subscription: TaskSubscription, *parts: Any) -> None:
        super().__init__(subscription, *parts)
        self._task = subscription.task
        self._of = subscription.of
        self._queue = Queue(subscription.task.queue, service_nats)
        self.buffer: ByPriority = ByPriority()
        self._by_priority = {one: self._pull if one == PLAIN else self._pull_of(one) for one in PRIORITIES}
        self.pulls |= {f"pull-{one}": pull for one, pull in self._by_priority.items() if one != PLAIN}

    @property
    def subject(self) -> str:
        """What it listens to."""
        return subject_of(self._task.queue, "*", self._task.name)

    @property
    def consumers(self) -> dict[str, Consumer]:
        """What is pulled from, as far as it is known to exist; replays aside."""
        return {
            self._task.name if one == PLAIN else f"{self._task.name}-{one}": pull.consumer
            for one, pull in self._by_priority.items()
            if pull.consumer
        }

    @property
    def trouble(self) -> str:
        """Why no tasks come, in a few words; empty while they do."""
        return next(filter(None, (pull.trouble for pull in self._by_priority.values())), "")

    async def _provisioned(self) -> Consumer:
        consumer = await self._provisioned_for(PLAIN)
        await _asked(self._queue.keep_schedule(self._task))
        return consumer

    async def _provisioned_for(self, priority: Priority) -> Consumer:
        await _asked(self._queue.refresh())
        return await self._provide(self._of(priority, self._nats.service), None)

    def _pull_of(self, priority: Priority) -> PullConsumer:
        return PullConsumer(
            self._nats,
            lambda: self._provisioned_for(priority),
            self._receive,
            lambda: self.buffer.held(priority),
            self._subscription.prefetch,
        )

    def _held(self) -> int:
        return self.buffer.held(PLAIN)

    def take(self) -> Message:
        """The message that is to be started next; there must be one."""
        message = super().take()
        pull = self._by_priority[_priority_of(message)]
        if message.origin is None and pull is not self._pull:
            pull.started_some()
        return message


async def _asked(step: Awaitable[object]) -> None:
    """Does a step of providing, with errors as a pull consumer takes them.

    Raises:
        ConfigurationError: it will never succeed.
        TimeoutError: it may, later.
    """
    try:
        await step
    except Unavailable as error:
        raise TimeoutError(str(error)) from error
    except ToolkitError as error:
        raise ConfigurationError(str(error)) from error


def _priority_of(message: Message) -> Priority:
    return priority_in(message.subject) or PLAIN  # what somebody sends to the replay subject may have any
