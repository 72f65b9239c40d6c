"""The names of queues and tasks, and the subjects and streams that follow from them.

A queue is the stream `QUEUE_<NAME>`. In it are the tasks that wait, on `queue.<queue>.<priority>.<task>`; those that
are to be enqueued later, on `queue.<queue>.later.<id>`; and the schedules of recurring ones, on
`queue.<queue>.recurring.<task>`.
"""

from __future__ import annotations

import re
from typing import Literal, get_args

from src.infrastructure.errors import ConfigurationError
from src.toolkit.errors import InvalidName

Priority = Literal["high", "normal", "low"]
PRIORITIES: tuple[Priority, ...] = get_args(Priority)  # the most important first

QUEUE = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
LONGEST_QUEUE = 64  # characters
TASK = re.compile(r"[A-Za-z0-9_-]{1,64}")
ID = re.compile(r"[A-Za-z0-9_-]{1,128}")

TASK_ID = "Task-Id"  # the header with a task's id: of one that was delayed, the server drops the `Nats-Msg-Id`
RESULT_TTL = "Task-Result-Ttl"  # the header with the seconds for which the result is wanted


def named(text: str) -> tuple[str, str]:
    """The queue and the task that `<queue>.<task>` names.

    Raises:
        InvalidName: it is no such text.
    """
    queue, _, task = text.partition(".")
    if problems := problems_of(queue, task):
        raise InvalidName(f"{text[:80]!r} names no task: {'; '.join(problems)}; it takes <queue>.<task>")
    return queue, task


def problems_of(queue: str, task: str) -> list[str]:
    """What is wrong with the names of a queue and a task; empty when nothing is."""
    found = []
    if not QUEUE.fullmatch(queue) or len(queue) > LONGEST_QUEUE:
        found.append(
            f"queue is {queue[:80]!r}; it takes lower-case letters, digits and single - and _, at most {LONGEST_QUEUE}"
        )
    if not TASK.fullmatch(task):
        found.append(f"the task's name is {task[:80]!r}; it takes letters, digits, _ and -, at most 64")
    return found


def checked_id(text: str) -> str:
    """A task's id as it is.

    Raises:
        InvalidName: no task can have it.
    """
    if not ID.fullmatch(text):
        raise InvalidName(f"{text[:80]!r} is no id of a task: it takes letters, digits, _ and -, at most 128")
    return text


def checked_priority(priority: str) -> Priority:
    """A priority as it is.

    Raises:
        ConfigurationError: there is no such priority.
    """
    for one in PRIORITIES:
        if priority == one:
            return one
    raise ConfigurationError(f"priority is {priority!r}; it takes {', '.join(PRIORITIES)}")


def plain(seconds: float) -> str:
    """A number of seconds to a thousandth, without an exponent."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".")


def stream_of(queue: str) -> str:
    """The stream that holds a queue."""
    return f"QUEUE_{queue.upper()}"


def subjects_of(queue: str) -> str:
    """All subjects of that stream."""
    return f"queue.{queue}.>"


def subject_of(queue: str, priority: str, task: str) -> str:
    """The subject that tasks wait on; `*` as the priority stands for all."""
    return f"queue.{queue}.{priority}.{task}"


def later_subject(queue: str, task_id: str) -> str:
    """The subject that one task is kept on which is to be enqueued later."""
    return f"queue.{queue}.later.{task_id}"


def recurring_subject(queue: str, task: str) -> str:
    """The subject that keeps the schedule of a recurring task."""
    return f"queue.{queue}.recurring.{task}"


def priority_in(subject: str) -> Priority | None:
    """The priority in a subject of `subject_of`; None in any other."""
    third = "".join(subject.split(".", 3)[2:3])
    return next((one for one in PRIORITIES if one == third), None)
