"""Decides what becomes of every delivery: the one place where messages are settled."""

from __future__ import annotations

import asyncio
import time

from src.infrastructure.dead_letters import DeadLetters, Reason
from src.infrastructure.errors import Reject, Retry
from src.infrastructure.inbox import Claim, Inbox
from src.infrastructure.message import Message, current_message
from src.infrastructure.stats import HandlerStats
from src.infrastructure.subscription import Subscription
from src.utils.logging import logger


class Delivery:
    """Runs one handler's messages.

    A message is acknowledged only after its handler returned. A failure is given back with a delay, and becomes a
    dead letter after the last attempt. Nothing is dropped: a dead letter is confirmed before its original is settled,
    and where that cannot be done the original is tried again later.
    """

    def __init__(
        self, subscription: Subscription, dead_letters: DeadLetters, inbox: Inbox | None, stats: HandlerStats
    ) -> None:
        self._subscription = subscription
        self._dead_letters = dead_letters
        self._inbox = inbox
        self._stats = stats

    async def deliver(self, message: Message) -> None:
        """Handles one delivery and settles it.

        Raises:
            asyncio.CancelledError: the worker stops; unless the handler settled it, the message is unsettled.
            nats.errors.Error: the answer could not be sent; the server will deliver the message again.
        """
        token = current_message.set(message)
        try:
            if message.attempt > self._subscription.max_attempts:
                # the worker answers every attempt that it survives: it died of this message, each time
                await self._give_up(message, Reason.CRASHED, None)
            else:
                await self._handle(message)
        finally:
            current_message.reset(token)

    async def _handle(self, message: Message) -> None:
        try:
            event = self._subscription.signature.decode(message.data)
        except Exception as error:
            await self._give_up(message, Reason.INVALID, error)
            return
        try:
            if self._inbox is None:
                await self._call(event, message)
            else:
                await self._call_once(self._inbox, event, message)
        except Reject as error:
            await self._give_up(message, Reason.REJECTED, error)
        except Retry as error:
            await self._try_again(message, error, error.after)
        except asyncio.CancelledError as error:
            if (task := asyncio.current_task()) and task.cancelling():
                raise
            await self._try_again(message, error)  # something inside the handler was cancelled, not the worker
        except Exception as error:
            await self._try_again(message, error)
        else:
            await message.ack()  # does nothing where the handler settled it

    async def _call(self, event: object, message: Message) -> None:
        subscription = self._subscription
        started = time.perf_counter()
        try:
            await (
                subscription.function(event, message)
                if subscription.signature.takes_message
                else subscription.function(event)
            )
        finally:
            self._stats.durations.add(time.perf_counter() - started)
        self._stats.handled += 1

    async def _call_once(self, inbox: Inbox, event: object, message: Message) -> None:
        key = f"{message.handler}:{message.id}"
        match await inbox.claim(key, self._subscription.ack_wait):
            case Claim.DONE:
                self._stats.duplicates += 1
                return
            case Claim.HELD:
                # not a failure: the claim ends with `ack_wait` at the latest
                await message.nak(self._subscription.ack_wait / 2)
                return
        try:
            await self._call(event, message)
        except BaseException:
            try:
                await inbox.release(key)
            except Exception as error:
                logger.warning("claim not released: the next attempt waits for its end", error=_named(error))
            raise
        await inbox.done(key)

    async def _try_again(self, message: Message, error: BaseException, after: float | None = None) -> None:
        self._stats.failed(error)
        if message.settled:
            logger.warning("handler failed after it had settled the message", error=_named(error), exc_info=error)
            return
        if message.attempt >= self._subscription.max_attempts:
            await self._give_up(message, Reason.EXHAUSTED, error)
            return
        delay = self._subscription.backoff.delay(message.attempt) if after is None else after
        logger.warning(
            "handler failed: trying again",
            error=_named(error),
            delay_seconds=round(delay, 3),
            max_attempts=self._subscription.max_attempts,
            exc_info=None if isinstance(error, Retry) else error,
        )
        await message.nak(delay)
        self._stats.retried += 1

    async def _give_up(self, message: Message, reason: Reason, error: BaseException | None) -> None:
        if error is not None:
            self._stats.failed(error)
        if message.settled:
            logger.warning("handler gave up a message that it had settled", error=_named(error))
            return
        try:
            await self._dead_letters.publish(message, reason, error)
        except Exception as failure:
            delay = self._subscription.backoff.delay(message.attempt)
            logger.error(
                "dead letter not kept: the message will be tried again",
                reason=reason.value,
                error=_named(failure),
                delay_seconds=round(delay, 3),
            )
            await message.nak(delay)
            self._stats.retried += 1
            return
        await message.term(reason.value)
        self._stats.dead_letters[reason.value] += 1
        bug = error if reason is Reason.EXHAUSTED else None  # elsewhere the stack says nothing about the handler
        logger.error("dead letter", reason=reason.value, error=_named(error), exc_info=bug)


def _named(error: BaseException | None) -> str | None:
    return None if error is None else f"{type(error).__name__}: {error}"
