"""What whoever enqueued a task holds of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Generic, overload

from typing_extensions import TypeVar

from src.toolkit.errors import InvalidValue
from src.tasks.errors import NoResult, ResultTimeout, TaskFailed
from src.tasks.names import checked_id, named
from src.tasks.results import Results, Status, service_results
from src.tasks.task import PayloadT, Rest, Task

ResultT = TypeVar("ResultT", default=Any)


@dataclass(frozen=True, slots=True)
class Ticket(Generic[ResultT]):
    """A task that was enqueued.

    Attributes:
        queue: that it is in.
        task: its name.
        id: its own.
        duplicate: whether a task of this id was in the queue already, within the stream's duplicate window, so that
            this one was not enqueued again.
        keeps_result: whether its result is kept.
    """

    queue: str
    task: str
    id: str
    duplicate: bool
    keeps_result: bool
    _results: Results = field(repr=False, compare=False)
    _read: Callable[[Any], ResultT] = field(repr=False, compare=False)

    async def status(self) -> Status | None:
        """What has become of it so far; None where nothing is known, or no longer.

        Raises:
            NoResult: nobody asked for it.
            Missing, Unavailable, Refused: see `src.toolkit.errors`.
        """
        self._check()
        return await self._results.get(self.queue, self.task, self.id)

    async def result(self, timeout: float | None = None) -> ResultT:
        """Its result, waited for.

        Args:
            timeout: seconds to wait; without it for good.

        Raises:
            TaskFailed: it was given up.
            ResultTimeout: it has not been done in time; it goes on.
            NoResult: nobody asked for its result.
            InvalidValue: what it returned is not what its annotation says.
            Missing, Unavailable, Refused: see `src.toolkit.errors`.
        """
        self._check()
        known = "nothing is known of it"
        try:
            async with asyncio.timeout(timeout), aclosing(self._statuses()) as statuses:
                async for status in statuses:
                    if status.state == "failed":
                        raise TaskFailed(self._what, status.reason, status.error)
                    if status.state == "done":
                        return self._value(status)
                    known = f"it is {status.state}"
        except TimeoutError:
            raise ResultTimeout(f"{self._what} is not done within {timeout or 0:g} s: {known}") from None
        raise AssertionError("a watch has no end")

    def _statuses(self) -> AsyncGenerator[Status, None]:
        return self._results.watch(self.queue, self.task, self.id)

    def _value(self, status: Status) -> ResultT:
        try:
            return self._read(status.result)
        except ValueError as error:
            raise InvalidValue(f"{self._what} returned something else than it says: {error}") from error

    def _check(self) -> None:
        if not self.keeps_result:
            raise NoResult(f"{self._what}: its result is not kept; say `result_ttl` when it is enqueued")

    @property
    def _what(self) -> str:
        return f"the task {self.queue}.{self.task} {self.id}"


@overload
def ticket_for(task: Task[PayloadT, Rest, ResultT], task_id: str, results: Results = ...) -> Ticket[ResultT]: ...


@overload
def ticket_for(task: str, task_id: str, results: Results = ...) -> Ticket[Any]: ...


def ticket_for(task: Task[Any, ..., Any] | str, task_id: str, results: Results = service_results) -> Ticket[Any]:
    """The ticket of a task that somebody else has enqueued, or this process earlier, whose result is kept.

    Args:
        task: the task, or `<queue>.<task>`.
        task_id: its id.
        results: where its result is; the service's own connection leads there.

    Raises:
        InvalidName: nothing can have this name or id.
    """
    queue, name = named(task) if isinstance(task, str) else (task.queue, task.name)
    read = _as_it_is if isinstance(task, str) else task.result_from
    return Ticket(queue, name, checked_id(task_id), False, True, results, read)


def _as_it_is(result: Any) -> Any:
    return result
