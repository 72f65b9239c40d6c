"""The errors of task queues."""

from __future__ import annotations


class InvalidTask(ValueError):
    """Raised when the task does not accept the payload; nothing was enqueued."""


class QueueFull(Exception):
    """Raised when the queue holds as many tasks as `TASK_QUEUE_MAX` allows; nothing was enqueued or dropped."""


class NoResult(Exception):
    """Raised when the result is not kept, because nobody asked for it with `result_ttl`."""


class ResultTimeout(TimeoutError):
    """Raised when the task is not done in time. It goes on."""


class TaskFailed(Exception):
    """Raised when the task became a dead letter.

    Attributes:
        reason: `rejected`, `invalid`, `exhausted` or `crashed`, as in the dead letter.
        error: what its last attempt raised; empty if the worker died.
    """

    def __init__(self, what: str, reason: str, error: str) -> None:
        super().__init__(f"{what} failed ({reason}){': ' if error else ''}{error}")
        self.reason = reason
        self.error = error
