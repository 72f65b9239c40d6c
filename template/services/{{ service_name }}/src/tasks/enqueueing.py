"""Has a worker do something: `await enqueue(send_email, SendEmail(...), priority="high", delay=60)`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, overload
from uuid import uuid4

from nats.js.api import PubAck

from src.infrastructure.handling.context import current_message
from src.infrastructure.handling.replays import sent_after
from src.infrastructure.publisher import publish
from src.requests.nats import Nats
from src.requests.nats import nats as service_nats
from src.toolkit.batches import Publish
from src.toolkit.errors import ToolkitError, translated
from src.tasks.names import (
    RESULT_TTL,
    TASK_ID,
    Priority,
    checked_id,
    checked_priority,
    later_subject,
    named,
    plain,
    subject_of,
)
from src.tasks.queue import Queue
from src.tasks.results import Results, service_results
from src.tasks.task import PayloadT, Rest, ResultT, Task, encoded
from src.tasks.ticket import Ticket, ticket_for

MOST_DELAY = 100 * 365 * 24 * 3600.0  # seconds; a time must have a date


class Enqueuer:
    """Enqueues over one connection, and knows the queues that it has used.

    Args:
        nats: the connection.
        publish: publishes to a stream over it.
        results: where results are, over it.
    """

    def __init__(self, nats: Nats, publish: Publish, results: Results) -> None:
        self._nats = nats
        self._publish = publish
        self._results = results
        self._queues: dict[str, Queue] = {}

    async def enqueue(
        self,
        task: Task[Any, ..., Any] | str,
        payload: Any,
        *,
        priority: Priority | None = None,
        delay: float | None = None,
        at: datetime | None = None,
        result_ttl: float | None = None,
        task_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Ticket[Any]:
        """As `enqueue` below."""
        if isinstance(task, str):
            queue, name = named(task)
            policy, data = None, encoded(payload)
        else:
            queue, name, policy, data = task.queue, task.name, task.policy, task.encoded(payload)
        level = checked_priority(priority or (policy.priority if policy else "normal"))
        kept = result_ttl if result_ttl is not None or policy is None else policy.result_ttl
        if kept is not None and not kept >= 1:
            raise ValueError(f"result_ttl is {kept}; it takes seconds, 1 or more")
        seconds = _seconds_until(delay, at)
        target = subject_of(queue, level, name)
        identity = checked_id(task_id) if task_id else _new_id(target, data)
        given = {**(headers or {}), TASK_ID: identity}
        if kept is not None:
            given[RESULT_TTL] = plain(kept)
        if seconds:
            given |= sent_after(seconds, target)
        await self._queue(queue).make_room(later=bool(seconds))
        began = kept is not None and await self._results.begin(queue, name, identity, seconds)
        subject = later_subject(queue, identity) if seconds else target
        try:
            ack = await self._stored(subject, data, given, identity)
        except BaseException:
            if began:
                with suppress(ToolkitError):
                    await self._results.forget(queue, name, identity)
            raise
        ticket = ticket_for(task, identity, self._results)
        return replace(ticket, duplicate=bool(ack.duplicate), keeps_result=kept is not None)

    def _queue(self, name: str) -> Queue:
        if name not in self._queues:
            self._queues[name] = Queue(name, self._nats)
        return self._queues[name]

    async def _stored(self, subject: str, data: bytes, headers: Mapping[str, str], identity: str) -> PubAck:
        with translated(subject):
            return await self._publish(subject, data, headers=headers, message_id=identity)


_service = Enqueuer(service_nats, publish, service_results)


@overload
async def enqueue(
    task: Task[PayloadT, Rest, ResultT],
    payload: PayloadT | Mapping[str, Any] | None = None,
    *,
    priority: Priority | None = None,
    delay: float | None = None,
    at: datetime | None = None,
    result_ttl: float | None = None,
    task_id: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Ticket[ResultT]: ...


@overload
async def enqueue(
    task: str,
    payload: Any = None,
    *,
    priority: Priority | None = None,
    delay: float | None = None,
    at: datetime | None = None,
    result_ttl: float | None = None,
    task_id: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Ticket[Any]: ...


async def enqueue(
    task: Task[Any, ..., Any] | str,
    payload: Any = None,
    *,
    priority: Priority | None = None,
    delay: float | None = None,
    at: datetime | None = None,
    result_ttl: float | None = None,
    task_id: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Ticket[Any]:
    """Has a worker do a task; returns when the queue has it for certain.

    In a handler, an action or a task it follows from what is handled there, as what `publish` publishes: correlation
    and trace travel along, and an attempt that is made again enqueues nothing twice within the stream's duplicate
    window.

    Args:
        task: the task, or `<queue>.<task>` of whatever service does it.
        payload: that it takes: a model, a mapping or what else JSON can hold; bytes and text as they are.
        priority: `high`, `normal` or `low`; the task's own unless given.
        delay: seconds until it is enqueued.
        at: the time when it is enqueued, instead of `delay`.
        result_ttl: seconds for which its result is kept, for `ticket.result()`; the task's own unless given.
        task_id: its id: within the stream's duplicate window (2 minutes unless set otherwise) a queue takes it once.
        headers: further headers.

    Raises:
        InvalidTask: the task does not take that payload.
        QueueFull: the queue holds as many tasks as `TASK_QUEUE_MAX` says.
        TooLarge: it does not fit into one message.
        Missing, Refused, Unavailable: see `src.toolkit.errors`; after `Unavailable` it may have been enqueued.
        RuntimeError: no worker runs in this process.
    """
    return await _service.enqueue(
        task,
        payload,
        priority=priority,
        delay=delay,
        at=at,
        result_ttl=result_ttl,
        task_id=task_id,
        headers=headers,
    )


def _seconds_until(delay: float | None, at: datetime | None) -> float:
    """Seconds until it is to be enqueued; 0 for at once."""
    if at is not None:
        if delay is not None:
            raise ValueError("`delay` and `at` say the same: give one of them")
        if at.tzinfo is None:
            raise ValueError(f"at is {at}; it takes a time with its time zone")
        return max((at - datetime.now(UTC)).total_seconds(), 0.0)
    if delay is not None and not 0 <= delay <= MOST_DELAY:
        raise ValueError(f"delay is {delay}; it takes seconds, 0 to {MOST_DELAY:g}")
    return delay or 0.0


def _new_id(subject: str, data: bytes) -> str:
    message = current_message.get()
    return str(uuid4()) if message is None else message.derived_id(subject, data)
