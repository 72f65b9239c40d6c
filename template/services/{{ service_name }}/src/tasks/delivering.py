"""Delivers tasks as a handler's messages are, with their time limit, and with their results kept."""

from __future__ import annotations

import asyncio
from typing import Any

from src.infrastructure.dead_letters import Reason
from src.infrastructure.delivery import Delivery
from src.infrastructure.errors import Reject, TooLarge, named
from src.infrastructure.message import Message
from src.toolkit.errors import ToolkitError
from src.tasks.errors import TaskTooSlow
from src.tasks.names import TASK_ID
from src.tasks.results import Status, service_results, wanted_for
from src.tasks.subscribing import TaskSubscription
from src.utils.logging import logger


class TaskDelivery(Delivery):
    """Delivers tasks: with their time limit, and with their result kept where it is wanted."""

    def __init__(self, subscription: TaskSubscription, *parts: Any) -> None:
        super().__init__(subscription, *parts)
        self._task = subscription.task
        self._function = self._call.handle
        self._call.handle = self._run

    async def _run(self, payload: Any, message: Message) -> None:
        await self._note(message, Status(state="running", attempt=message.attempt))
        try:
            result = await self._in_time(payload, message)
            if message.has_published:
                await message.all_published()
        except Exception as error:
            if message.attempt < self._task.policy.max_attempts and not isinstance(error, Reject):
                await self._note(message, Status(state="queued", attempt=message.attempt, error=named(error)))
            raise
        if not message.given_back:
            await self._keep(message, result)

    async def _in_time(self, payload: Any, message: Message) -> object:
        limit = asyncio.timeout(self._task.policy.timeout)
        try:
            async with limit:
                return await self._function(payload, message)
        except TimeoutError as error:
            if limit.expired():
                raise TaskTooSlow(f"not done within {self._task.policy.timeout} s") from error
            raise

    async def _keep(self, message: Message, result: object) -> None:
        """Keeps the result where it is wanted; the task is not done before it is kept.

        Raises:
            Reject: nothing can keep it.
            ToolkitError: it could not be kept; the task will be tried again.
        """
        wanted = wanted_for(message.headers)
        if wanted is None:
            return
        status = Status(state="done", attempt=message.attempt, result=result)
        try:
            await service_results.note(*self._key(message), status, ttl=wanted)
        except (TooLarge, TypeError, ValueError) as error:
            raise Reject(f"what it returned cannot be kept: {named(error)}") from error

    async def _given_up(self, message: Message, reason: Reason, error: BaseException | None) -> None:
        said = "" if error is None else named(error)
        await self._note(message, Status(state="failed", attempt=message.attempt, reason=reason.value, error=said))

    async def _note(self, message: Message, status: Status) -> None:
        """Tells who waits for the result; where that fails, they learn of it later or not, and the task goes on."""
        wanted = wanted_for(message.headers)
        if wanted is None:
            return
        try:
            if status.state == "failed":
                await service_results.note(*self._key(message), status, ttl=wanted)
            else:
                await service_results.note(*self._key(message), status)
        except (ToolkitError, TooLarge) as error:
            logger.warning("state of a task not noted", state=status.state, error=named(error))

    def _key(self, message: Message) -> tuple[str, str, str]:
        return self._task.queue, self._task.name, message.headers.get(TASK_ID) or message.id
