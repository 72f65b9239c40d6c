"""Batch handlers: a handler of `list[...]` gets many messages at once; each message is settled separately."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from src.domain.events import current
from src.infrastructure.dead_letters import Reason
from src.infrastructure.delivery import Delivery
from src.infrastructure.errors import Retry, describe
from src.infrastructure.handler_runner import HandlerRunner
from src.infrastructure.message import Message
from src.infrastructure.publishing import Publications, channel
from src.utils.logging import logger

Batch = list[tuple[Any, Message]]


class BatchDelivery(Delivery):
    """Handles messages together. A failed batch is halved until the failing message is alone."""

    async def deliver_batch(self, messages: Sequence[Message]) -> None:
        """Handle messages together, and settle each separately.

        Raises:
            asyncio.CancelledError: the worker stops.
            nats.errors.Error: an ack could not be sent; the other messages have been settled.
        """
        batch: Batch = []
        errors: list[Exception] = []
        for message in messages:
            try:
                with message.bound():
                    await self._accept(message, batch, errors)
            except Exception as error:
                errors.append(error)
        if batch:
            await self._handle(batch, errors)
        if errors:
            raise errors[0]

    async def _accept(self, message: Message, batch: Batch, errors: list[Exception]) -> None:
        try:
            event = self.decode(message.data, message.headers)
        except Exception as error:
            await self.give_up(message, Reason.INVALID, error)
            return
        try:
            if await self.admit(message):
                message.started = time.monotonic()
                if message.alone:
                    await self._handle([(event, message)], errors)
                else:
                    batch.append((event, message))
        finally:
            if message.alone:
                self.attempts.alone_lock.release()

    async def _handle(self, batch: Batch, errors: list[Exception]) -> None:
        failure = await self._failure_of(batch)
        rest = [one for one in batch if not one[1].settled]
        if failure is not None and len(rest) > 1 and not isinstance(failure, Retry):
            logger.warning("batch failed: handling its halves", messages=len(rest), error=describe(failure))
            half = len(rest) // 2
            await self._handle(rest[:half], errors)
            await self._handle(rest[half:], errors)
            batch = [one for one in batch if one not in rest]
        for _, message in batch:
            try:
                with message.bound():
                    await self.settle(message, failure)
            except Exception as error:
                errors.append(error)

    async def _failure_of(self, batch: Batch) -> BaseException | None:
        """Call the handler, wait until its publications are confirmed, and return the error, or None."""
        events, messages = [event for event, _ in batch], [message for _, message in batch]
        published = Publications(channel("a batch"))  # for `publish`, which cannot know the message that caused it
        token = current.set(published)
        try:
            return await self.handle(events, messages, (*messages, published))
        finally:
            current.reset(token)


class BatchRunner(HandlerRunner):
    """Runs a handler of `list[...]`."""

    delivery: BatchDelivery

    async def handle_next(self) -> None:
        """Handle the next batch: when it is full, or its first message has waited long enough."""
        size = min(self.subscription.batch_size, self.subscription.prefetch)
        try:
            async with asyncio.timeout(self.subscription.batch_wait):
                while len(self.buffer) < size and not self.delivery.stopping:
                    await self.buffer.arrival()
        except TimeoutError:
            pass
        if self.buffer and not self.delivery.stopping:
            messages = [self.buffer.start() for _ in range(min(size, len(self.buffer)))]
            self.delivery.attempts.running += 1
            try:
                await self.delivery.deliver_batch(messages)
            except BaseException as error:
                await self.not_settled(messages, error)
            finally:
                self.delivery.attempts.running -= 1
                self.buffer.running.difference_update(messages)
