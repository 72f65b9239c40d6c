"""The names of queues and tasks, and their subjects and streams.

A queue is the stream `QUEUE_<NAME>`. Waiting tasks are on `queue.<queue>.<priority>.<task>`, delayed ones on
`queue.<queue>.later.<id>`, and the schedules of recurring ones on `queue.<queue>.recurring.<task>`.
"""

from __future__ import annotations

import re
from typing import Literal, get_args

from src.infrastructure.errors import ConfigurationError

Priority = Literal["high", "normal", "low"]
PRIORITIES: tuple[Priority, ...] = get_args(Priority)  # the most important first
PLAIN: Priority = "normal"  # the priority whose consumer has the plain name

QUEUE = re.compile(r"(?=.{1,64}$)[a-z][a-z0-9]*([_-][a-z0-9]+)*")
TASK = re.compile(r"[A-Za-z0-9_-]{1,64}")
ID = re.compile(r"[A-Za-z0-9_-]{1,128}")

TASK_ID = "Task-Id"  # the header with a task's id: the server drops the `Nats-Msg-Id` of a delayed one
RESULT_TTL = "Task-Result-Ttl"  # the header with the seconds that the result is kept


def queue_and_task(text: str) -> tuple[str, str]:
    """Return the queue and the task in `<queue>.<task>`.

    Raises:
        ValueError: the text is invalid.
    """
    queue, _, task = text.partition(".")
    if problems := problems_of(queue, task):
        raise ValueError(f"invalid task {text[:80]!r}: use <queue>.<task>; {'; '.join(problems)}")
    return queue, task


def problems_of(queue: str, task: str) -> list[str]:
    """Return the problems of the names of a queue and a task."""
    found = []
    if not QUEUE.fullmatch(queue):
        found.append(f"queue is {queue[:80]!r}; use up to 64 lower-case letters, digits and single - and _")
    if not TASK.fullmatch(task):
        found.append(f"the task's name is {task[:80]!r}; use up to 64 letters, digits, _ and -")
    return found


def checked_id(text: str) -> str:
    """Return a task's id unchanged.

    Raises:
        ValueError: it is invalid.
    """
    if not ID.fullmatch(text):
        raise ValueError(f"invalid task id {text[:80]!r}: use up to 128 letters, digits, _ and -")
    return text


def checked_priority(priority: str) -> Priority:
    """Return a priority unchanged.

    Raises:
        ConfigurationError: the priority does not exist.
    """
    if priority not in PRIORITIES:
        raise ConfigurationError(f"priority is {priority!r}; use {', '.join(PRIORITIES)}")
    return priority


def stream_of(queue: str) -> str:
    """Return the name of a queue's stream."""
    return f"QUEUE_{queue.upper()}"


def subject_of(queue: str, priority: str, task: str) -> str:
    """Return the subject of waiting tasks; the priority `*` matches all."""
    return f"queue.{queue}.{priority}.{task}"
