"""The ticket of an enqueued task, for its state and result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Generic

from nats.js.errors import KeyNotFoundError
from typing_extensions import TypeVar

from src.tasks.errors import NoResult, ResultTimeout, TaskFailed
from src.tasks.results import Status, result_key, results

ResultT = TypeVar("ResultT", default=Any)


@dataclass(frozen=True, slots=True)
class Ticket(Generic[ResultT]):
    """An enqueued task.

    Attributes:
        queue: its queue.
        task: its name.
        id: its id.
        read: returns the result from its JSON data.
        duplicate: whether the queue already had a task with this id, within the stream's duplicate window, so that this
            one was not enqueued.
        keeps_result: whether its result is kept.
    """

    queue: str
    task: str
    id: str
    read: Callable[[Any], ResultT] = field(repr=False, compare=False)
    duplicate: bool = False
    keeps_result: bool = True

    async def status(self) -> Status | None:
        """Return its state; None if it is not known, or no longer.

        Raises:
            NoResult: it was enqueued without `result_ttl`.
            NotConnected, nats.errors.Error: the server does not answer.
        """
        key, bucket = self._key(), await results.open()
        try:
            return Status.model_validate_json((await bucket.get(key)).value or b"")
        except KeyNotFoundError:
            return None

    async def result(self, timeout: float | None = None) -> ResultT:
        """Wait for its result and return it.

        Args:
            timeout: seconds to wait; by default no limit.

        Raises:
            TaskFailed: it became a dead letter.
            ResultTimeout: it is not done in time; it continues.
            NoResult: it was enqueued without `result_ttl`.
            ValueError: the result does not match its annotation.
            NotConnected, nats.errors.Error: the server does not answer.
        """
        what, known = f"the task {self.queue}.{self.task} {self.id}", "its state is unknown"
        try:
            async with asyncio.timeout(timeout), aclosing(results.watch(self._key())) as entries:
                async for entry in entries:
                    if entry.operation:
                        continue
                    status = Status.model_validate_json(entry.value or b"")
                    if status.state == "failed":
                        raise TaskFailed(what, status.reason, status.error)
                    if status.state == "done":
                        return self.read(status.result)
                    known = f"it is {status.state}"
        except TimeoutError:
            raise ResultTimeout(f"{what} is not done within {timeout or 0:g} s: {known}") from None
        except ValueError as error:
            raise ValueError(f"{what} returned an invalid result: {error}") from error
        raise AssertionError("a watch does not end")

    def _key(self) -> str:
        key = result_key(self.queue, self.task, self.id)
        if not self.keeps_result:
            raise NoResult(f"the task {key}: its result is not kept; enqueue it with `result_ttl`")
        return key
