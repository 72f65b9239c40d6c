"""What a task file says about its task: the `task` decorator and what it registers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, Unpack, get_type_hints

import orjson
from pydantic import BaseModel, TypeAdapter

from src.infrastructure.errors import ConfigurationError
from src.infrastructure.handling.decoding import Signature, signature_of
from src.infrastructure.handling.publication import encode
from src.infrastructure.wiring.declaring import place_of, refuse_unknown
from src.tasks.errors import InvalidTask
from src.tasks.names import Priority, problems_of
from src.tasks.policy import Options, Policy

if TYPE_CHECKING:
    from src.tasks.ticket import Ticket

PayloadT = TypeVar("PayloadT")
Rest = ParamSpec("Rest")
ResultT = TypeVar("ResultT")


class Task(Generic[PayloadT, Rest, ResultT]):
    """A coroutine function that can be enqueued. Called, it runs right here: a unit test just awaits it.

    Attributes:
        name: of the task, in its subjects and its dead letters.
        queue: that it is enqueued to.
        policy: how it is run.
        function: what it does.
        signature: how the function is called.
    """

    def __init__(
        self,
        function: Callable[Concatenate[PayloadT, Rest], Coroutine[Any, Any, ResultT]],
        name: str,
        queue: str,
        policy: Policy,
    ) -> None:
        self.name = name
        self.queue = queue
        self.policy = policy
        self.function: Callable[..., Coroutine[Any, Any, Any]] = function
        self.where = place_of(function)
        if problems := problems_of(queue, name) + policy.problems():
            raise ConfigurationError(f"{self.where}: " + "; ".join(problems))
        self.signature: Signature = signature_of(function)
        if self.signature.takes_list:
            raise ConfigurationError(f"{self.where} takes a list; a task takes one payload: put the list into a model")
        self._result: TypeAdapter[ResultT] = _result_of(function, self.where)
        update_wrapper(self, function)
        if policy.schedule is not None:
            self.encoded(policy.schedule.payload, of=f"{self.where}: its schedule")

    def __call__(self, payload: PayloadT, /, *args: Rest.args, **kwargs: Rest.kwargs) -> Coroutine[Any, Any, ResultT]:
        """Runs it right here."""
        return self.function(payload, *args, **kwargs)

    async def enqueue(
        self,
        payload: PayloadT | Mapping[str, Any] | None = None,
        *,
        priority: Priority | None = None,
        delay: float | None = None,
        at: datetime | None = None,
        result_ttl: float | None = None,
        task_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Ticket[ResultT]:
        """Has a worker do it, as `enqueue` of `src.tasks`."""
        from src.tasks.enqueueing import enqueue  # which knows of tasks

        return await enqueue(
            self,
            payload,
            priority=priority,
            delay=delay,
            at=at,
            result_ttl=result_ttl,
            task_id=task_id,
            headers=headers,
        )

    def encoded(self, payload: Any, of: str = "") -> bytes:
        """The payload as it is sent.

        Raises:
            InvalidTask: the task does not take it, and would become a dead letter.
        """
        data = encoded(payload)
        try:
            self.signature.decode(data)
        except ValueError as error:
            raise InvalidTask(f"{of or self.name} cannot have this payload: {error}") from error
        return data

    def result_from(self, result: Any) -> ResultT:
        """The result as the function's annotation says, from what JSON holds of it.

        Raises:
            ValueError: it is none such.
        """
        return self._result.validate_json(orjson.dumps(result))


def task(
    name: str, *, queue: str, **options: Unpack[Options]
) -> Callable[
    [Callable[Concatenate[PayloadT, Rest], Coroutine[Any, Any, ResultT]]],
    Task[PayloadT, Rest, ResultT],
]:
    """Registers a coroutine function as a task.

    Args:
        name: of the task.
        queue: that it is enqueued to: lower-case letters, digits, - and _.
        options: see `Policy`.

    Raises:
        ConfigurationError: an option or the function's signature does not fit.
    """

    def register(
        function: Callable[Concatenate[PayloadT, Rest], Coroutine[Any, Any, ResultT]],
    ) -> Task[PayloadT, Rest, ResultT]:
        refuse_unknown(function, options, Options)
        made = Task(function, name, queue, Policy(**options))
        _registry.append(made)
        return made

    return register


_registry: list[Task[Any, ..., Any]] = []


def registered() -> list[Task[Any, ..., Any]]:
    """Every task that was imported so far, in the order of their registration.

    Raises:
        ConfigurationError: two share a name, and so would share a durable and their dead letters.
    """
    seen: dict[str, Task[Any, ..., Any]] = {}
    for one in _registry:
        if other := seen.get(one.name):
            raise ConfigurationError(f"two tasks are named {one.name}: {other.where} and {one.where}")
        seen[one.name] = one
    return list(seen.values())


def encoded(payload: Any) -> bytes:
    """The payload of any task as it is sent: bytes and text as they are, a model or anything else as JSON."""
    if payload is None:
        return b"{}"
    if isinstance(payload, str):
        return payload.encode()
    if isinstance(payload, bytes | BaseModel | Mapping):
        return encode(payload)
    return orjson.dumps(payload)


def _result_of(function: Callable[..., Any], where: str) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(get_type_hints(function).get("return", Any))
    except Exception as error:
        raise ConfigurationError(f"{where}: its result cannot be read back as it is annotated: {error}") from error
