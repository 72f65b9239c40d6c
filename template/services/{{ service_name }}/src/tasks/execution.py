"""Runs a task, and keeps its result if that is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from src.domain.events import current
from src.infrastructure.dead_letters import DeadLetters, Reason
from src.infrastructure.errors import Reject, TooLarge, describe
from src.infrastructure.message import Message
from src.tasks.names import TASK_ID
from src.tasks.results import KEPT, UNAVAILABLE, Status, keep, result_key, result_ttl_in
from src.utils.logging import logger


async def run_task(running: Awaitable[object], max_attempts: int) -> None:
    """Await the task of the current message; return when its result is kept and its publications are confirmed.

    Args:
        running: the task.
        max_attempts: the maximum number of attempts.
    """
    message = current.get()
    assert isinstance(message, Message), "only a worker runs it"
    await _note(message, Status(state="running", attempt=message.attempt))
    try:
        result = await running
        await message.all_published()
    except (Exception, asyncio.CancelledError) as error:  # the latter after its `timeout`, or when the worker stops
        if message.attempt < max_attempts and not isinstance(error, Reject):
            await _note(message, Status(state="queued", attempt=message.attempt, error=describe(error)))
        raise
    ttl = result_ttl_in(message.headers)
    if ttl is None or message.given_back:
        return
    try:  # the task is not done before its result is kept
        await keep(_key(message), Status(state="done", attempt=message.attempt, result=result), ttl)
    except (TooLarge, TypeError, ValueError) as error:
        raise Reject(f"its result cannot be kept: {describe(error)}") from error


class TaskDeadLetters(DeadLetters):
    """Stores the dead letters of a task, and records that it has failed."""

    async def stored(self, message: Message, reason: Reason, error: BaseException | None) -> None:
        """Record that the task failed."""
        text = "" if error is None else describe(error)
        await _note(message, Status(state="failed", attempt=message.attempt, reason=reason.value, error=text))


async def _note(message: Message, status: Status) -> None:
    """Record the state of a task whose result is kept. If that fails, the task continues with the old state."""
    ttl = result_ttl_in(message.headers)
    if ttl is None:
        return
    try:
        await keep(_key(message), status, ttl if status.state == "failed" else KEPT)
    except (*UNAVAILABLE, TooLarge) as error:
        logger.warning("state of a task not stored", state=status.state, error=describe(error))


def _key(message: Message) -> str:
    queue = message.subject.split(".")[1:2] or ["unknown"]  # a message sent to the replay subject may have any subject
    return result_key(queue[0], message.handler, message.headers.get(TASK_ID) or message.id)
