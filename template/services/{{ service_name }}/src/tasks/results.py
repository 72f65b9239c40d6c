"""The states and results of tasks, in the bucket `task_results`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import nats.errors
from nats.js.api import Header
from pydantic import BaseModel, Field
from pydantic_core import to_json

from src.infrastructure.errors import NotConnected
from src.tasks.names import RESULT_TTL
from src.toolkit.connection import connected
from src.toolkit.kv import Bucket

KEPT = 7 * 24 * 3600.0  # seconds to keep the state of an unfinished task after its last change

UNAVAILABLE = (nats.errors.Error, NotConnected, TimeoutError)  # raised if the state cannot be stored

results = Bucket("task_results")


class Status(BaseModel):
    """The state of a task.

    Attributes:
        state: `queued` also between two attempts, and while it is delayed.
        attempt: the latest attempt; 0 before the first.
        result: the result, when it is done.
        reason: why it failed, as in its dead letter.
        error: the error of its latest attempt.
        at: when it entered this state, in UTC.
    """

    state: Literal["queued", "running", "done", "failed"]
    attempt: int = 0
    result: Any = None
    reason: str = ""
    error: str = ""
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))


async def keep(key: str, status: Status, ttl: float, *, is_new: bool = False) -> None:
    """Store the state of a task.

    Args:
        key: the task's key.
        status: its state.
        ttl: seconds to keep it.
        is_new: whether it must be the first.

    Raises:
        TooLarge: it does not fit into one message.
        NotConnected: there is no connection in time.
        nats.errors.Error: the server does not answer or rejects it; with `is_new`, also if there is a state already.
    """
    await results.open()
    headers = {Header.MSG_TTL.value: f"{math.ceil(ttl)}s"}
    if is_new:
        headers[Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value] = "0"
    connection = await connected(key)
    await connection.publish(f"$KV.{results.name}.{key}", to_json(status, by_alias=True), headers)


def result_key(queue: str, task: str, task_id: str) -> str:
    """Return the key of a task's state."""
    return f"{queue}.{task}.{task_id}"


def result_ttl_in(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to keep a task's result, from its headers; None if it is not wanted."""
    try:
        seconds = float(headers.get(RESULT_TTL, ""))
    except ValueError:
        return None
    return seconds if 1 <= seconds < 1e9 else None
