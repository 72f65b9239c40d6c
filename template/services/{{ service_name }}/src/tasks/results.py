"""The states and results of tasks that somebody waits for, in the bucket `task_results`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from src.tasks.names import RESULT_TTL
from src.toolkit.kv import Bucket

KEPT = 7 * 24 * 3600.0  # seconds that the state of a task that is not done is kept after its last change


class Status(BaseModel):
    """The state of a task.

    Attributes:
        state: `queued` also means between two attempts, or delayed.
        attempt: the latest; 0 before the first.
        result: of the task, when it is done.
        reason: why it failed, as in its dead letter.
        error: what its latest attempt raised.
        at: when it got into this state, in UTC.
    """

    state: Literal["queued", "running", "done", "failed"]
    attempt: int = 0
    result: Any = None
    reason: str = ""
    error: str = ""
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))


results: Bucket[Status] = Bucket("task_results", Status)


def result_key(queue: str, task: str, task_id: str) -> str:
    """Return the key of a task's state."""
    return f"{queue}.{task}.{task_id}"


def result_ttl_in(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a task's result is to be kept, from its headers; None if nobody wants it."""
    try:
        seconds = float(headers.get(RESULT_TTL, ""))
    except ValueError:
        return None
    return seconds if 1 <= seconds < 1e9 else None
