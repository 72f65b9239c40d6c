"""Runs a task: like a handler, with a consumer for each priority. The most important waiting task is started next."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

from src.infrastructure.delivery import Delivery
from src.infrastructure.handler_runner import HandlerRunner
from src.infrastructure.message import Message
from src.infrastructure.message_buffer import MessageBuffer
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.provisioning import Consumer, consumer_for
from src.infrastructure.pull_consumer import PullConsumer
from src.infrastructure.subscription import Subscription
from src.tasks.names import PLAIN, PRIORITIES, Priority, subject_of
from src.tasks.queue import ensure_queue, keep_schedule
from src.tasks.task import TaskSubscription


class PriorityBuffer(MessageBuffer):
    """Messages that have not started: the most important first, then the oldest."""

    def __init__(self) -> None:
        super().__init__()
        self._by_priority: dict[Priority, deque[Message]] = {priority: deque() for priority in PRIORITIES}

    def __len__(self) -> int:
        return sum(map(len, self._by_priority.values()))

    def __iter__(self) -> Iterator[Message]:
        return chain.from_iterable(self._by_priority.values())

    def append(self, message: Message, /) -> None:
        """Add a message."""
        self._by_priority[_priority_of(message)].append(message)

    def popleft(self) -> Message:
        """Remove and return the message that is next."""
        return next(waiting for waiting in self._by_priority.values() if waiting).popleft()


class TaskRunner(HandlerRunner):
    """Runs one task."""

    subscription: TaskSubscription

    def __init__(self, subscription: TaskSubscription, nats: NatsClient, delivery: Delivery) -> None:
        super().__init__(subscription, nats, delivery)
        self.buffer = PriorityBuffer()
        self._creating = asyncio.Lock()  # the stream, which the consumers of all priorities need at once
        for priority in PRIORITIES:
            if priority != PLAIN:
                provide = partial(self._provide_for, priority)
                self.pulls.append(PullConsumer(nats, provide, self.receive, subscription.prefetch))

    def stats(self) -> dict[str, Any]:
        """Return the counts of the task, for `/stats`."""
        task = self.subscription.task
        return super().stats() | {"subject": subject_of(task.queue, "*", task.name)}

    async def provide(self) -> Consumer:
        """Return the consumer of the priority `normal`, and keep the task's schedule on the server."""
        consumer, task = await self._provide_for(PLAIN), self.subscription.task
        await keep_schedule(self._nats, task.queue, task.name, task.scheduled())
        return consumer

    async def _provide_for(self, priority: Priority) -> Consumer:
        async with self._creating:
            await ensure_queue(self._nats, self.subscription.task.queue)
        subscription: Subscription = self.subscription
        if priority != PLAIN:
            subject = subject_of(self.subscription.task.queue, priority, self.name)
            durable = f"{subscription.durable_for(self._nats.service)}-{priority}"
            subscription = replace(subscription, subject=subject, durable=durable)
        return await consumer_for(self._nats, subscription)


def _priority_of(message: Message) -> Priority:
    tokens = message.subject.split(".")
    return next((priority for priority in PRIORITIES if tokens[2:3] == [priority]), PLAIN)  # a replay may differ
