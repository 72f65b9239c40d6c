"""Awaits a handler, and everything that it published; says what it failed with, and decides nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from src.infrastructure.handling.context import batch_publications
from src.infrastructure.handling.publication import Publications
from src.infrastructure.message import Message
from src.infrastructure.subscription import Subscription
from src.infrastructure.watching.stats import HandlerStats


class HandlerCall:
    """Calls one subscription's handler.

    Attributes:
        handle: what is awaited, with the event and the message, or with lists of both.
        stopping: whether a cancellation is the worker's; before, it is the handler's own.
    """

    def __init__(self, subscription: Subscription, stats: HandlerStats) -> None:
        self._function = subscription.function
        self._stats = stats
        self.handle: Callable[[Any, Any], Awaitable[object]] = (
            subscription.function if subscription.signature.takes_message else self._without_message
        )
        self.stopping = False

    async def one(self, event: Any, message: Message) -> BaseException | None:
        """What the handler failed with, or None where it returned and everything that it published was confirmed.

        Raises:
            asyncio.CancelledError: the worker cut the handler short.
        """
        started = time.perf_counter()
        try:
            await self.handle(event, message)
            if message.has_published:
                await message.all_published()
        except (asyncio.CancelledError, Exception) as error:
            return self._failure(error)
        finally:
            self._stats.durations.add(time.perf_counter() - started)
        return None

    async def many(self, events: list[Any], messages: Sequence[Message]) -> BaseException | None:
        """The same for a handler that takes many.

        Raises:
            as `one`.
        """
        published = Publications()
        token = batch_publications.set(published)
        started = time.perf_counter()
        try:
            await self.handle(events, messages)
            for message in messages:
                await message.all_published()
            await published.confirmed()
        except (asyncio.CancelledError, Exception) as error:
            return self._failure(error)
        finally:
            self._stats.durations.add(time.perf_counter() - started)
            batch_publications.reset(token)
        return None

    def _without_message(self, event: Any, _: Any) -> Awaitable[None]:
        return self._function(event)

    def _failure(self, error: BaseException) -> BaseException:
        """What a handler failed with; raised on where it is the worker that cut the handler short."""
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError):
            if self.stopping:
                raise error
            while task and task.cancelling():
                task.uncancel()  # the handler was cancelled by something of its own, not by the worker
        elif self.stopping and task and task.cancelling():
            raise asyncio.CancelledError from error  # what it made of being cancelled is no failure of its own
        return error
