"""Decides the outcome of every message: the one place where messages are settled."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from src.domain.events import current
from src.infrastructure import metrics
from src.infrastructure.attempts import Attempts
from src.infrastructure.dead_letters import DeadLetters, Reason
from src.infrastructure.errors import Reject, Retry, describe
from src.infrastructure.message import ACK, Message
from src.infrastructure.message_buffer import MessageBuffer
from src.infrastructure.publishing import Publications
from src.infrastructure.resources import shared
from src.infrastructure.subscription import Subscription
from src.utils.logging import logger

DEFER_MARGIN = 2.0  # seconds after a delay in which a deferred message has come again


class HandlerInbox(Protocol):
    """Remembers which messages of one handler were handled, so that none is handled twice.

    Attributes:
        trouble: why messages cannot be marked as handled; empty while they can.
    """

    trouble: str

    async def admit(self, message: Message) -> bool:
        """Claim a message for this worker. If it has been handled, or another worker has it, settle it instead.

        Returns:
            Whether it may be handled now.

        Raises:
            Exception: the store cannot be reached, and messages wait for it.
        """

    async def done(self, message: Message) -> None:
        """Note that a message was handled, and finish it once the store has that, maybe after this has returned."""

    async def release(self, message: Message) -> None:
        """Give up a claim, so that the next attempt does not wait for its end."""


Inbox = Callable[["Delivery"], HandlerInbox]


class Delivery:
    """Handles one handler's messages.

    A message is acked only after its handler returned and everything it published is confirmed. A failed message is
    given back with a delay, and becomes a dead letter after the last attempt.

    Attributes:
        buffer: the messages that wait for the handler and those that it runs with; set by what runs it.
        decode: returns the event of a payload and headers, or raises if they do not hold what the handler takes.
        stopping: whether the worker stops. While it does not, a CancelledError is the handler's own, and a failure.
        last_error: the latest failure, for people.
    """

    buffer: MessageBuffer

    def __init__(
        self, subscription: Subscription, attempts: Attempts, dead_letters: DeadLetters, inbox: Inbox | None
    ) -> None:
        self.subscription = subscription
        self.metrics = metrics.HandlerMetrics(subscription.handler, subscription.ack_wait)
        self.dead_letters = dead_letters
        self.stopping = False
        self.last_error = ""
        self.attempts = attempts
        self._call = subscription.caller()
        self.decode = subscription.signature.decode
        self._inbox = inbox(self) if inbox else None
        self._debug = logging.getLogger().isEnabledFor(logging.DEBUG)  # a call for each message costs time
        self._waiting_for = ""
        self._waiting_until = 0.0

    @property
    def trouble(self) -> str:
        """Return why messages that arrive cannot be handled; empty while they can."""
        if time.monotonic() < self._waiting_until:
            return self._waiting_for
        return self._inbox.trouble if self._inbox else ""

    async def deliver(self, message: Message) -> None:
        """Handle one message and settle it.

        Raises:
            asyncio.CancelledError: the worker stops; the message may be unsettled.
            nats.errors.Error: the answer could not be sent; the server will deliver the message again.
        """
        token = current.set(message)
        try:
            if self._debug:
                logger.debug("message received", deliveries=message.deliveries, bytes=len(message.data))
            try:
                event = self.decode(message.data, message.headers)
            except Exception as error:
                await self.give_up(message, Reason.INVALID, error)
                return
            if (self._inbox is None and message.deliveries == 1) or await self.admit(message):
                message.started = time.monotonic()
                await self.settle(message, await self.handle(event, message, (message,)))
        finally:
            current.reset(token)
            if message.alone:
                self.attempts.alone_lock.release()

    async def handle(self, event: Any, received: Any, published: Sequence[Publications]) -> BaseException | None:
        """Call the handler, wait until what it published is confirmed, and return what failed, or None.

        Args:
            event: what the handler takes: an event, or a list of events.
            received: the message or messages.
            published: what knows the handler's publications.

        Raises:
            asyncio.CancelledError: the worker cut the handler short.
        """
        started = time.monotonic()
        try:
            if shared.middleware:
                await shared.call(received, partial(self._call, event, received))
            else:
                await self._call(event, received)
            for one in published:
                if one.unconfirmed is not None:
                    await one.all_published()
            return None
        except (Exception, asyncio.CancelledError, SystemExit, KeyboardInterrupt, BaseExceptionGroup) as error:
            return self._failure(error)
        finally:
            self.metrics.took(time.monotonic() - started)

    async def give_back(self, message: Message) -> None:
        """Give back a message that was not started or not finished at stop, at once and without using up an attempt."""
        if not message.settled:
            await self._release_claim(message)
            await self.attempts.uncount(message)
            await message.nak()
            metrics.RELEASED.labels(message.handler).inc()

    async def admit(self, message: Message) -> bool:
        """Return whether inbox and attempts let the handler have the message; if not, the message is settled."""
        try:
            admitted = self._inbox is None or await self._inbox.admit(message)
            spent = await self.attempts.start(message, self.subscription.max_attempts) if admitted else None
        except Exception as error:
            await self._defer(message, error)
            return False
        self._waiting_until = 0.0
        if spent:
            await self._release_claim(message)
            await self.give_up(message, spent, None)
        return admitted and spent is None

    def _failure(self, error: BaseException) -> BaseException:
        """Return what a handler failed with.

        Raises:
            asyncio.CancelledError: the worker cut the handler short, whatever the handler made of it.
        """
        task = asyncio.current_task()
        if self.stopping and task and task.cancelling():
            raise asyncio.CancelledError from error
        while task and task.cancelling():
            task.uncancel()  # something of the handler's own cancelled it
        self.last_error = describe(error)
        return error

    async def settle(self, message: Message, failure: BaseException | None) -> None:
        """Settle a message whose handler has ended, unless the handler did that itself."""
        by_hand = message.settled
        if failure is not None and by_hand:
            logger.warning("handler failed after it had settled the message", error=describe(failure), exc_info=failure)
        if message.given_back or (failure is not None and not by_hand):
            await self.attempts.end(message, handled=False)
            await self._release_claim(message)
            if failure is not None and not by_hand:
                await self._fail(message, failure)
        else:
            await (self._inbox.done(message) if self._inbox else self.finish(message))
        if failure is None:
            self.metrics.handled += 1
            if self._debug:
                logger.debug("message handled", settled_by_hand=by_hand)

    async def finish(self, message: Message) -> None:
        """Settle a message that was handled."""
        if self.subscription.ack_sync:
            await message.ack_sync()
        else:
            message.settle(ACK)
        if message.replayed:
            await self.dead_letters.remove_replayed(message)
        if message.noted:
            await self.attempts.end(message, handled=True)

    async def _release_claim(self, message: Message) -> None:
        if self._inbox is not None:
            await self._inbox.release(message)

    async def _defer(self, message: Message, error: Exception) -> None:
        """Redeliver later without counting an attempt: a store that the worker needs is unavailable."""
        delay = self.subscription.backoff.delay(message.deliveries)
        self.last_error = describe(error)
        self._waiting_for = f"waiting for a store: {self.last_error}"
        self._waiting_until = time.monotonic() + delay + DEFER_MARGIN
        logger.error("message deferred: a store is unavailable", error=self.last_error, delay_seconds=round(delay, 3))
        await self._release_claim(message)
        await self.attempts.uncount(message)
        await message.nak(delay)
        metrics.RETRIED.labels(message.handler).inc()

    async def _fail(self, message: Message, error: BaseException) -> None:
        """Give a failed message back with a delay, or make it a dead letter."""
        if isinstance(error, Reject):
            await self.give_up(message, Reason.REJECTED, error)
        elif message.attempt >= self.subscription.max_attempts:
            await self.give_up(message, Reason.EXHAUSTED, error)
        else:
            after = error.after if isinstance(error, Retry) else None
            delay = self.subscription.backoff.delay(message.attempt) if after is None else after
            logger.warning(
                "handler failed: trying again",
                error=describe(error),
                delay_seconds=round(delay, 3),
                max_attempts=self.subscription.max_attempts,
                exc_info=None if isinstance(error, Retry) else error,
            )
            await message.nak(delay)
            metrics.RETRIED.labels(message.handler).inc()

    async def give_up(self, message: Message, reason: Reason, error: BaseException | None) -> None:
        """Make a message a dead letter."""
        self.last_error = reason.value if error is None else describe(error)
        await self.dead_letters.give_up(message, reason, error)
