"""Enqueues tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, TypedDict
from uuid import uuid4

from src.domain.events import current
from src.infrastructure.publishing import publish
from src.tasks.names import RESULT_TTL, TASK_ID, Priority, checked_id, checked_priority, subject_of
from src.tasks.queue import make_room
from src.tasks.results import KEPT, UNAVAILABLE, Status, keep, result_key
from src.tasks.schedules import plain, seconds_until, sent_after
from src.tasks.ticket import Ticket


class EnqueueOptions(TypedDict, total=False):
    """The options of `enqueue`.

    Attributes:
        priority: `high`, `normal` or `low`; by default the task's own.
        delay: seconds until it is enqueued.
        at: the time when it is enqueued, instead of `delay`.
        result_ttl: seconds to keep its result, for `ticket.result()`; by default the task's own.
        task_id: its id; within the stream's duplicate window (2 minutes by default) a queue accepts an id once.
        headers: further headers.
    """

    priority: Priority | None
    delay: float | None
    at: datetime | None
    result_ttl: float | None
    task_id: str | None
    headers: Mapping[str, str] | None


async def put_into_queue(
    queue: str,
    task: str,
    data: bytes,
    read: Callable[[Any], Any],
    options: EnqueueOptions,
) -> Ticket[Any]:
    """Store a task in its queue, and return the ticket; see `enqueue` of `src.tasks`.

    Args:
        queue: the queue.
        task: the task's name.
        data: its payload.
        read: returns the result from its JSON data.
        options: see `EnqueueOptions`.
    """
    result_ttl, task_id, incoming = options.get("result_ttl"), options.get("task_id"), current.get()
    if result_ttl is not None and not result_ttl >= 1:
        raise ValueError(f"result_ttl is {result_ttl}; use seconds, 1 or more")
    seconds = seconds_until(options.get("delay"), options.get("at"))
    subject = target = subject_of(queue, checked_priority(options.get("priority") or "normal"), task)
    if task_id is None:
        task_id = str(uuid4()) if incoming is None else incoming.derived_id(target, data)
    given = {**(options.get("headers") or {}), TASK_ID: checked_id(task_id)}
    if result_ttl is not None:
        given[RESULT_TTL] = plain(result_ttl)
    if seconds:
        given |= sent_after(seconds, target)
        subject = subject_of(queue, "later", task_id)
    await make_room(queue, later=bool(seconds))
    ack = await publish(subject, data, headers=given, message_id=task_id)
    if result_ttl is not None:
        with suppress(*UNAVAILABLE):  # raised too if it has a later state by now; a missing one follows when it runs
            await keep(result_key(queue, task, task_id), Status(state="queued"), KEPT + seconds, is_new=True)
    return Ticket(queue, task, task_id, read, bool(ack.duplicate), result_ttl is not None)
