"""The errors of task queues."""

from __future__ import annotations


class InvalidTask(ValueError):
    """Raised when the task does not accept the payload; nothing was enqueued."""


class QueueFull(Exception):
    """Raised when the queue is full (`TASK_QUEUE_MAX`); nothing was enqueued or dropped."""


class NoResult(Exception):
    """Raised when the result is not kept, because the task was enqueued without `result_ttl`."""


class ResultTimeout(TimeoutError):
    """Raised when the task is not done in time. It continues."""


class TaskFailed(Exception):
    """Raised when the task became a dead letter.

    Attributes:
        reason: `rejected`, `invalid`, `exhausted` or `crashed`, as in the dead letter.
        error: the error of its last attempt; empty if the worker died.
    """

    def __init__(self, what: str, reason: str, error: str) -> None:
        super().__init__(f"{what} failed ({reason}){': ' if error else ''}{error}")
        self.reason = reason
        self.error = error
