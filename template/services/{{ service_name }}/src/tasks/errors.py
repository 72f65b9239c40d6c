"""What goes wrong with tasks."""

from __future__ import annotations

from src.toolkit.errors import ToolkitError


class InvalidTask(ToolkitError, ValueError):
    """The payload is none that the task takes, so it was not enqueued."""


class QueueFull(ToolkitError):
    """The queue holds as many tasks as `TASK_QUEUE_MAX` says, so this one was not enqueued. Nothing was dropped."""


class TaskTooSlow(Exception):
    """A task was not done within its `timeout`; it is tried again, as with any other exception."""


class NoResult(ToolkitError):
    """The result is not kept: nobody asked for it by `result_ttl`."""


class ResultTimeout(ToolkitError, TimeoutError):
    """The task has not been done in time; it goes on."""


class TaskFailed(ToolkitError):
    """The task was given up, and is a dead letter.

    Attributes:
        reason: `rejected`, `invalid`, `exhausted` or `crashed`, as in the dead letter.
        error: what its last attempt raised; empty where the worker died of it.
    """

    def __init__(self, what: str, reason: str, error: str) -> None:
        super().__init__(f"{what} failed ({reason}){': ' if error else ''}{error}")
        self.reason = reason
        self.error = error
