"""Runs tasks: as handlers are run, from three consumers instead of one, and with their results kept."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from src.infrastructure.consumers import Progress
from src.infrastructure.dead_letters import Reason
from src.infrastructure.delivery import Delivery
from src.infrastructure.errors import ConfigurationError, Reject, TooLarge, named
from src.infrastructure.handler_runner import HandlerRunner
from src.infrastructure.message import Message
from src.infrastructure.nats import nats as service_nats
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.pull_consumer import Consumer, PullConsumer
from src.infrastructure.stats import HandlerStats
from src.infrastructure.subscription import Subscription
from src.infrastructure.worker import Worker
from src.toolkit.errors import ToolkitError, Unavailable
from src.toolkit.tasks.errors import TaskTooSlow
from src.toolkit.tasks.names import PRIORITIES, TASK_ID, Priority, priority_in, stream_of, subject_of
from src.toolkit.tasks.queue import Queue
from src.toolkit.tasks.results import Status, service_results, wanted_for
from src.toolkit.tasks.task import Task, registered
from src.utils.logging import logger

PLAIN: Priority = "normal"  # the priority whose consumer has the plain name


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSubscription(Subscription):
    """A task as a worker subscribes to it: its own subject is that of the priority `normal`."""

    task: Task[Any, ..., Any]

    def of(self, priority: Priority, service: str) -> Subscription:
        """The same for the tasks of one priority."""
        if priority == PLAIN:
            return self
        subject = subject_of(self.task.queue, priority, self.task.name)
        return replace(self, subject=subject, durable=f"{self.durable_for(service)}-{priority}")


def subscription_of(task: Task[Any, ..., Any]) -> TaskSubscription:
    """What a worker subscribes to for a task.

    Raises:
        ConfigurationError: its policy is none.
    """
    policy = task.policy
    return TaskSubscription(
        handler=task.name,
        subject=subject_of(task.queue, PLAIN, task.name),
        function=task.function,
        stream=stream_of(task.queue),
        concurrency=policy.concurrency,
        prefetch=policy.prefetch or policy.concurrency,
        batch_size=1,
        ack_wait=policy.ack_wait,
        max_attempts=policy.max_attempts,
        backoff=policy.backoff,
        schedule_above=policy.schedule_above,
        task=task,
    )


def register(worker: Worker) -> None:
    """Gives the worker every task that was imported.

    Raises:
        ConfigurationError: a task does not fit.
    """
    for task in registered():
        worker.subscribe(subscription_of(task), TaskRunner)


class ByPriority:
    """Messages that were received and not started: the more important are taken first, else the older."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Message]] = {priority: deque() for priority in PRIORITIES}
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
                self._replays[_known(priority)] -= message.origin is not None
                return message
        raise IndexError("nothing waits")

    def held(self, priority: Priority) -> int:
        """How many of one priority wait, replays aside."""
        return len(self._waiting[priority]) - self._replays[priority]

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def __iter__(self) -> Iterator[Message]:
        return chain.from_iterable(self._waiting.values())


class TaskDelivery(Delivery):
    """Delivers tasks: with their time limit, and with their result kept where it is wanted."""

    def __init__(self, subscription: TaskSubscription, *parts: Any) -> None:
        super().__init__(subscription, *parts)
        self._task = subscription.task
        self._function: Callable[[Any, Any], Awaitable[object]] = self._handle
        self._handle = self._run

    async def _run(self, payload: Any, message: Message) -> None:
        await self._note(message, Status(state="running", attempt=message.attempt))
        try:
            result = await self._in_time(payload, message)
            if message.has_published:
                await message.all_published()
        except Exception as error:
            if message.attempt < self._task.policy.max_attempts and not isinstance(error, Reject):
                await self._note(message, Status(state="queued", attempt=message.attempt, error=named(error)))
            raise
        if not message.given_back:
            await self._keep(message, result)

    async def _in_time(self, payload: Any, message: Message) -> object:
        limit = asyncio.timeout(self._task.policy.timeout)
        try:
            async with limit:
                return await self._function(payload, message)
        except TimeoutError as error:
            if limit.expired():
                raise TaskTooSlow(f"not done within {self._task.policy.timeout} s") from error
            raise

    async def _keep(self, message: Message, result: object) -> None:
        """Keeps the result where it is wanted; the task is not done before it is kept.

        Raises:
            Reject: nothing can keep it.
            ToolkitError: it could not be kept; the task will be tried again.
        """
        wanted = wanted_for(message.headers)
        if wanted is None:
            return
        status = Status(state="done", attempt=message.attempt, result=result)
        try:
            await service_results.note(*self._key(message), status, ttl=wanted)
        except (TooLarge, TypeError, ValueError) as error:
            raise Reject(f"what it returned cannot be kept: {named(error)}") from error

    async def _given_up(self, message: Message, reason: Reason, error: BaseException | None) -> None:
        said = "" if error is None else named(error)
        await self._note(message, Status(state="failed", attempt=message.attempt, reason=reason.value, error=said))

    async def _note(self, message: Message, status: Status) -> None:
        """Tells who waits for the result; where that fails, they learn of it later or not, and the task goes on."""
        wanted = wanted_for(message.headers)
        if wanted is None:
            return
        try:
            if status.state == "failed":
                await service_results.note(*self._key(message), status, ttl=wanted)
            else:
                await service_results.note(*self._key(message), status)
        except (ToolkitError, TooLarge) as error:
            logger.warning("state of a task not noted", state=status.state, error=named(error))

    def _key(self, message: Message) -> tuple[str, str, str]:
        return self._task.queue, self._task.name, message.headers.get(TASK_ID) or message.id


class TaskRunner(HandlerRunner):
    """One task at work, with a consumer for each priority; what is more important is started first."""

    delivery = TaskDelivery

    def __init__(
        self,
        subscription: TaskSubscription,
        nats: NatsClient,
        delivery: TaskDelivery,
        provide: Callable[[Subscription, Progress | None], Awaitable[Consumer]],
        provide_replays: Callable[[], Awaitable[Consumer]],
        stats: HandlerStats,
    ) -> None:
        super().__init__(subscription, nats, delivery, provide, provide_replays, stats)
        self._task = subscription.task
        self._of = subscription.of
        self._queue = Queue(subscription.task.queue, service_nats)
        self._buffer: ByPriority = ByPriority()
        self._by_priority = {one: self._pull if one == PLAIN else self._pull_of(one) for one in PRIORITIES}
        self._pulls |= {f"pull-{one}": pull for one, pull in self._by_priority.items() if one != PLAIN}

    @property
    def subject(self) -> str:
        """What it listens to."""
        return subject_of(self._task.queue, "*", self._task.name)

    @property
    def consumers(self) -> dict[str, Consumer]:
        """What is pulled from, as far as it is known to exist; replays aside."""
        found = {one: pull.consumer for one, pull in self._by_priority.items()}
        return {
            self.name if one == PLAIN else f"{self.name}-{one}": consumer for one, consumer in found.items() if consumer
        }

    @property
    def trouble(self) -> str:
        """Why no tasks are done, in a few words; empty while they are."""
        troubles = (pull.trouble for pull in self._by_priority.values())
        return next(filter(None, troubles), "") or self._delivery.trouble

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
            lambda: self._buffer.held(priority),
            self.subscription.prefetch,
        )

    def _held(self) -> int:
        return self._buffer.held(PLAIN)

    def _next(self) -> Message:
        message = self._buffer.popleft()
        if message.origin is None:
            self._by_priority[_priority_of(message)].started_some()
        else:
            self._replays_buffered -= 1
            self._pull_replays.started_some()
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
    return _known(priority_in(message.subject))


def _known(priority: str) -> Priority:
    return next((one for one in PRIORITIES if one == priority), PLAIN)
