"""Runs a task within its time limit, and keeps its result if somebody wants it."""

from __future__ import annotations

import asyncio
from typing import Any

from src.infrastructure.dead_letters import DeadLetters, Reason
from src.infrastructure.errors import Reject, TooLarge, describe
from src.infrastructure.message import Message
from src.tasks.errors import TaskTooSlow
from src.tasks.names import TASK_ID
from src.tasks.results import KEPT, Status, result_key, result_ttl_in, results
from src.tasks.task import Task
from src.toolkit.errors import ToolkitError
from src.utils.logging import logger


async def run_task(task: Task[Any, ..., Any], payload: Any, message: Message) -> None:
    """Run a task, and return when its result is kept and everything that it published is confirmed."""
    await _note(message, Status(state="running", attempt=message.attempt))
    try:
        result = await _in_time(task, payload, message)
        await message.all_published()
    except Exception as error:
        if message.attempt < task.policy.max_attempts and not isinstance(error, Reject):
            await _note(message, Status(state="queued", attempt=message.attempt, error=describe(error)))
        raise
    ttl = result_ttl_in(message.headers)
    if ttl is None or message.given_back:
        return
    status = Status(state="done", attempt=message.attempt, result=result)
    try:  # the task is not done before its result is kept
        await results.put(_key(message), status, ttl=ttl)
    except (TooLarge, TypeError, ValueError) as error:
        raise Reject(f"what it returned cannot be kept: {describe(error)}") from error


class TaskDeadLetters(DeadLetters):
    """Stores the dead letters of a task, and tells whoever waits for its result that there will be none."""

    async def stored(self, message: Message, reason: Reason, error: BaseException | None) -> None:
        """Note that the task failed."""
        said = "" if error is None else describe(error)
        await _note(message, Status(state="failed", attempt=message.attempt, reason=reason.value, error=said))


async def _in_time(task: Task[Any, ..., Any], payload: Any, message: Message) -> object:
    limit = asyncio.timeout(task.policy.timeout)
    try:
        async with limit:
            return await (task.function(payload, message) if task.signature.takes_message else task.function(payload))
    except TimeoutError as error:
        if limit.expired():
            raise TaskTooSlow(f"not done within {task.policy.timeout} s") from error
        raise


async def _note(message: Message, status: Status) -> None:
    """Note the state of a task that somebody waits for. If that fails, they learn it later, and the task goes on."""
    ttl = result_ttl_in(message.headers)
    if ttl is None:
        return
    try:
        await results.put(_key(message), status, ttl=ttl if status.state == "failed" else KEPT)
    except (ToolkitError, TooLarge) as error:
        logger.warning("state of a task not noted", state=status.state, error=describe(error))


def _key(message: Message) -> str:
    queue = message.subject.split(".")[1:2] or ["unknown"]  # a message sent to the replay subject may have any subject
    return result_key(queue[0], message.handler, message.headers.get(TASK_ID) or message.id)
