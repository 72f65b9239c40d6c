"""The `task` decorator, and `enqueue`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import update_wrapper, wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypedDict, TypeVar, Unpack, get_type_hints

from pydantic import TypeAdapter
from pydantic_core import to_json

from src.infrastructure.decoding import place_of, signature_of
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.subscription import AtLeastOne, Backoff, Count, Seconds, Subscription, check_options
from src.tasks import names
from src.tasks.enqueueing import EnqueueOptions, put_into_queue
from src.tasks.errors import InvalidTask
from src.tasks.execution import run_task
from src.tasks.schedules import Schedule
from src.tasks.ticket import Ticket

PayloadT = TypeVar("PayloadT")
Rest = ParamSpec("Rest")
ResultT = TypeVar("ResultT")


class Options(TypedDict, total=False):
    """The options of `task`.

    Attributes:
        priority: its priority, unless `enqueue` sets another; `normal` by default.
        concurrency: tasks that one instance runs at once; 1 by default.
        timeout: seconds that an attempt may take; by default no limit.
        max_attempts: attempts before it becomes a dead letter; 5 by default.
        backoff: the delays between attempts.
        ack_wait: seconds without a sign of life until another instance gets it, 30 by default; a running task sends
            signs of life.
        prefetch: tasks of each priority that are requested ahead; by default `concurrency`, because other instances
            cannot start these tasks.
        result_ttl: seconds to keep results, unless `enqueue` sets another; by default they are not kept.
        schedule: when the server enqueues it.
    """

    priority: names.Priority
    concurrency: Count
    timeout: Seconds | None
    max_attempts: Count
    backoff: Backoff
    ack_wait: AtLeastOne
    prefetch: Count | None
    result_ttl: AtLeastOne | None
    schedule: Schedule | None


@dataclass(frozen=True, kw_only=True)
class TaskSubscription(Subscription):
    """The subscription of a task; its subject is that of the priority `normal`."""

    task: Task[Any, ..., Any]


class Task(Generic[PayloadT, Rest, ResultT]):
    """A coroutine function that can be enqueued. Calling it runs it here, as a unit test does.

    Attributes:
        name: its name, in its subjects and dead letters.
        queue: its queue.
        function: the coroutine function.
        priority, result_ttl, schedule: see `Options`.
        subscription: the worker's subscription.
    """

    def __init__(
        self,
        function: Callable[Concatenate[PayloadT, Rest], Coroutine[Any, Any, ResultT]],
        name: str,
        queue: str,
        **options: Unpack[Options],
    ) -> None:
        self.name = name
        self.queue = queue
        self.function: Callable[..., Coroutine[Any, Any, Any]] = function
        self.where = place_of(function)
        check_options(function, options, Options)
        policy: dict[str, Any] = {**options}
        self.priority: names.Priority = policy.pop("priority", names.PLAIN)
        self.result_ttl: float | None = policy.pop("result_ttl", None)
        self.schedule: Schedule | None = policy.pop("schedule", None)
        problems = names.problems_of(queue, name)
        if signature_of(function).takes_list:
            problems.append("its payload is a list; put the list into a model")
        if problems:
            raise ConfigurationError(f"{self.where}: " + "; ".join(problems))
        try:
            self._result: TypeAdapter[ResultT] = TypeAdapter(get_type_hints(function).get("return", Any))
        except Exception as error:
            raise ConfigurationError(f"{self.where}: invalid annotation of its result: {error}") from error

        @wraps(function)
        async def run(*arguments: Any, **resources: Any) -> None:
            await run_task(self.function(*arguments, **resources), self.subscription.max_attempts)

        self.subscription = TaskSubscription(
            handler=name,
            subject=names.subject_of(queue, names.PLAIN, name),
            function=run,
            stream=names.stream_of(queue),
            prefetch=policy.pop("prefetch", None) or policy.get("concurrency", 1),
            task=self,
            **policy,
        )
        update_wrapper(self, function)
        self.scheduled()  # raises if the schedule's payload is invalid

    def __call__(self, payload: PayloadT, /, *args: Rest.args, **kwargs: Rest.kwargs) -> Coroutine[Any, Any, ResultT]:
        """Run it in this process."""
        return self.function(payload, *args, **kwargs)

    async def enqueue(
        self, payload: PayloadT | Mapping[str, Any] | None = None, **options: Unpack[EnqueueOptions]
    ) -> Ticket[ResultT]:
        """Enqueue it; see `enqueue` of `src.tasks`."""
        own: EnqueueOptions = {"priority": self.priority, "result_ttl": self.result_ttl}
        given: Any = {name: value for name, value in options.items() if value is not None}
        return await put_into_queue(self.queue, self.name, self.encode(payload), self.read, {**own, **given})

    def encode(self, payload: Any) -> bytes:
        """Return the payload's bytes.

        Raises:
            InvalidTask: the task does not accept the payload, which would become a dead letter.
        """
        data = encoded(payload)
        try:
            self.subscription.signature.decode(data, {})
        except ValueError as error:
            raise InvalidTask(f"{self.where}: invalid payload of {self.name}: {error}") from error
        return data

    def read(self, result: Any) -> ResultT:
        """Return the annotated result from its JSON data.

        Raises:
            ValueError: it is invalid.
        """
        return self._result.validate_json(to_json(result))

    def scheduled(self) -> tuple[bytes, dict[str, str]] | None:
        """Return the payload and the headers of its schedule; None if it has none.

        Raises:
            InvalidTask: the task does not accept the schedule's payload.
        """
        if self.schedule is None:
            return None
        target = names.subject_of(self.queue, self.priority, self.name)
        return self.encode(self.schedule.payload), self.schedule.headers(target)


def task(
    name: str, *, queue: str, **options: Unpack[Options]
) -> Callable[
    [Callable[Concatenate[PayloadT, Rest], Coroutine[Any, Any, ResultT]]],
    Task[PayloadT, Rest, ResultT],
]:
    """Register a coroutine function as a task.

    Args:
        name: its name.
        queue: its queue; use lower-case letters, digits, - and _.
        options: see `Options`.

    Raises:
        ConfigurationError: an option or the function's signature is invalid.
    """

    def register(
        function: Callable[Concatenate[PayloadT, Rest], Coroutine[Any, Any, ResultT]],
    ) -> Task[PayloadT, Rest, ResultT]:
        created = Task(function, name, queue, **options)
        _registry.append(created)
        return created

    return register


_registry: list[Task[Any, ..., Any]] = []


def registered() -> list[Task[Any, ..., Any]]:
    """Return every task imported so far."""
    return list(_registry)


async def enqueue(
    task: Task[Any, ..., Any] | str, payload: Any = None, **options: Unpack[EnqueueOptions]
) -> Ticket[Any]:
    """Enqueue a task; return when the queue has stored it.

    In a handler, an action or a task, correlation and trace are passed on, as with `publish`. A retry enqueues nothing
    twice within the stream's duplicate window.

    Args:
        task: the task, or `<queue>.<task>` of any service. The ticket of `task.enqueue` knows the type of the result.
        payload: a model, a mapping or other JSON data; bytes and text are sent unchanged.
        options: see `EnqueueOptions`.

    Raises:
        InvalidTask: the task does not accept the payload.
        QueueFull: the queue is full (`TASK_QUEUE_MAX`).
        TooLarge: the payload does not fit into one message.
        ConfigurationError: the queue's stream is missing and may not be created, or is not safe for tasks.
        NotConnected: there is no connection in time.
        nats.errors.Error: the server does not answer; the task may have been enqueued.
        RuntimeError: no worker runs in this process.
    """
    if isinstance(task, Task):
        return await task.enqueue(payload, **options)
    return await put_into_queue(*names.queue_and_task(task), encoded(payload), _unchanged, options)


def ticket_for(task: Task[Any, ..., Any] | str, task_id: str) -> Ticket[Any]:
    """Return the ticket of a task that was enqueued elsewhere or earlier with `result_ttl`.

    Args:
        task: the task, or `<queue>.<task>`.
        task_id: its id.

    Raises:
        ValueError: the name or the id is invalid.
    """
    if isinstance(task, Task):
        return Ticket(task.queue, task.name, names.checked_id(task_id), task.read)
    return Ticket(*names.queue_and_task(task), names.checked_id(task_id), _unchanged)


def encoded(payload: Any) -> bytes:
    """Return the bytes of any payload: bytes and text unchanged, everything else as JSON."""
    if isinstance(payload, bytes):
        return payload
    if isinstance(payload, str):
        return payload.encode()
    return to_json({} if payload is None else payload, by_alias=True)


def _unchanged(result: Any) -> Any:
    return result
