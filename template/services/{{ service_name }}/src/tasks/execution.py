"""Runs a task, and keeps its result if somebody wants it."""

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
    """Await the task of the message being handled; return when its result is kept and what it published is confirmed.

    Args:
        running: the task.
        max_attempts: how often it is started.
    """
    message = current.get()
    assert isinstance(message, Message), "a worker runs it"
    await _note(message, Status(state="running", attempt=message.attempt))
    try:
        result = await running
        await message.all_published()
    except (Exception, asyncio.CancelledError) as error:  # the latter after its `timeout`, or at the end of the worker
        if message.attempt < max_attempts and not isinstance(error, Reject):
            await _note(message, Status(state="queued", attempt=message.attempt, error=describe(error)))
        raise
    ttl = result_ttl_in(message.headers)
    if ttl is None or message.given_back:
        return
    try:  # the task is not done before its result is kept
        await keep(_key(message), Status(state="done", attempt=message.attempt, result=result), ttl)
    except (TooLarge, TypeError, ValueError) as error:
        raise Reject(f"what it returned cannot be kept: {describe(error)}") from error


class TaskDeadLetters(DeadLetters):
    """Stores the dead letters of a task, and tells whoever waits for its result that there will be none."""

    async def stored(self, message: Message, reason: Reason, error: BaseException | None) -> None:
        """Note that the task failed."""
        said = "" if error is None else describe(error)
        await _note(message, Status(state="failed", attempt=message.attempt, reason=reason.value, error=said))


async def _note(message: Message, status: Status) -> None:
    """Note the state of a task that somebody waits for. If that fails, they learn it later, and the task goes on."""
    ttl = result_ttl_in(message.headers)
    if ttl is None:
        return
    try:
        await keep(_key(message), status, ttl if status.state == "failed" else KEPT)
    except (*UNAVAILABLE, TooLarge) as error:
        logger.warning("state of a task not noted", state=status.state, error=describe(error))


def _key(message: Message) -> str:
    queue = message.subject.split(".")[1:2] or ["unknown"]  # a message sent to the replay subject may have any subject
    return result_key(queue[0], message.handler, message.headers.get(TASK_ID) or message.id)
