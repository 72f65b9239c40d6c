"""Time limits of many tasks that all have the same time."""

from __future__ import annotations

import asyncio
from typing import Any


class Deadlines:
    """Cancels each task that is not done in its time.

    The tasks are added in the order in which they fall due, so that one timer serves all of them: one for each would
    cost as much as all else that a request needs.
    """

    def __init__(self) -> None:
        self._due: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, task: asyncio.Task[Any], at: float) -> None:
        """Has a task end by `at`, the loop's time, which is no earlier than any other's."""
        self._due[task] = at
        if self._timer is None:
            self._timer = task.get_loop().call_at(at, self._cancel_late)

    def is_late(self, task: asyncio.Task[Any] | None) -> bool:
        """Whether a task has been cancelled because its time was over."""
        return task in self._late

    def discard(self, task: asyncio.Task[Any]) -> bool:
        """Forgets a task, which is done with what was to be done in time; says whether it was late."""
        if self._due.pop(task, None) is not None or task not in self._late:
            return False
        self._late.remove(task)
        return True

    def _cancel_late(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        while self._due:
            task, at = next(iter(self._due.items()))
            if at > loop.time():
                self._timer = loop.call_at(at, self._cancel_late)
                return
            del self._due[task]
            self._late.add(task)
            task.cancel()
