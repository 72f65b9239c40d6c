"""Decides what becomes of every delivery: the one place where messages are settled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from src.infrastructure.attempts import Attempts
from src.infrastructure.dead_letters import DeadLetters, Reason
from src.infrastructure.errors import Reject, Retry, named
from src.infrastructure.inbox import Claim, Inbox
from src.infrastructure.message import Message, current_message
from src.infrastructure.stats import HandlerStats
from src.infrastructure.subscription import Subscription
from src.utils.logging import logger

REFUSED = object()  # instead of an event: the message was settled without its handler


class Delivery:
    """Runs one handler's messages.

    A message is acknowledged only after its handler returned. A failure is given back with a delay, and becomes a
    dead letter after the last attempt. Nothing is dropped: a dead letter is confirmed before its original is settled,
    and where that cannot be done the original is tried again later.
    """

    def __init__(
        self,
        subscription: Subscription,
        attempts: Attempts,
        dead_letters: DeadLetters,
        inbox: Inbox | None,
        stats: HandlerStats,
    ) -> None:
        self._subscription = subscription
        self._attempts = attempts
        self._dead_letters = dead_letters
        self._inbox = inbox
        self._stats = stats
        self.stopping = False  # a cancellation is the worker's from then on, and the handler's own before
        self.trouble = ""  # why messages cannot be handled although they come; empty while they can

    async def deliver(self, message: Message) -> None:
        """Handles one delivery and settles it.

        Raises:
            asyncio.CancelledError: the worker stops; unless the handler settled it, the message is unsettled.
            nats.errors.Error: the answer could not be sent; the server will deliver the message again.
        """
        with _handling(message):
            event = await self._accept(message)
            if event is not REFUSED:
                await self._settle(message, await self._attempt(event, message))

    async def deliver_batch(self, messages: Sequence[Message]) -> None:
        """Hands deliveries to their handler together and settles each on its own.

        Raises:
            as `deliver`; the other messages have been settled by then.
        """
        events, accepted = [], []
        for message in messages:
            with _handling(message):
                event = await self._accept(message)
            if event is not REFUSED:
                events.append(event)
                accepted.append(message)
        if not accepted:
            return
        outcome = await self._attempt(events, accepted)
        failures = []
        for message in accepted:
            try:
                with _handling(message):
                    await self._settle(message, outcome)
            except Exception as error:
                failures.append(error)
        if failures:
            raise failures[0]

    async def _accept(self, message: Message) -> Any:
        """The event that the handler is to get, or `REFUSED`."""
        try:
            event = self._subscription.signature.decode(message.data)
        except Exception as error:
            await self._give_up(message, Reason.INVALID, error)
            return REFUSED
        try:
            if self._inbox is not None and not await self._claim(self._inbox, message):
                return REFUSED
            message.attempt = await self._attempts.start(message, self._subscription.max_attempts)
        except Exception as error:
            await self._put_off(message, error)
            return REFUSED
        self.trouble = ""
        if message.attempt > self._subscription.max_attempts:
            # the worker answers every attempt that it survives: it died of this message, each time
            await self._give_up(message, Reason.CRASHED, None)
            return REFUSED
        return event

    async def _claim(self, inbox: Inbox, message: Message) -> bool:
        """Whether the message is this worker's to handle; it is settled if not."""
        claim = await inbox.claim(message.inbox_key, self._subscription.ack_wait)
        if claim is Claim.DONE:
            self._stats.duplicates += 1
            await message.ack()
        elif claim is Claim.HELD:
            await message.nak(self._subscription.ack_wait / 2)  # the claim ends with `ack_wait` at the latest
        return claim is Claim.TAKEN

    async def _attempt(self, event: Any, message: Message | Sequence[Message]) -> BaseException | None:
        """Runs the handler; what it raised, or None where it returned."""
        subscription = self._subscription
        started = time.perf_counter()
        try:
            if subscription.signature.takes_message:
                await subscription.function(event, message)
            else:
                await subscription.function(event)
        except asyncio.CancelledError as error:
            if self.stopping:
                raise
            task = asyncio.current_task()
            while task and task.cancelling():
                task.uncancel()
            return error  # the handler was cancelled by something of its own, not by the worker
        except Exception as error:
            return error
        finally:
            self._stats.durations.add(time.perf_counter() - started)
        return None

    async def _settle(self, message: Message, outcome: BaseException | None) -> None:
        if self._inbox is not None and not await self._remember(self._inbox, message, outcome):
            return
        if outcome is None:
            self._stats.handled += 1
            await message.ack()  # does nothing where the handler settled it
        elif isinstance(outcome, Reject):
            await self._give_up(message, Reason.REJECTED, outcome)
        elif isinstance(outcome, Retry):
            await self._try_again(message, outcome, outcome.after)
        else:
            await self._try_again(message, outcome)

    async def _remember(self, inbox: Inbox, message: Message, outcome: BaseException | None) -> bool:
        """Tells the inbox what came of the claim; False where the message has to be tried again because it did not."""
        handled = not message.given_back if message.settled else outcome is None
        try:
            await (inbox.done if handled else inbox.release)(message.inbox_key)
        except Exception as error:
            if not handled:
                logger.warning("claim not released: the next attempt waits for its end", error=named(error))
                return True
            await self._put_off(message, error)
            return False
        return True

    async def _put_off(self, message: Message, error: BaseException) -> None:
        """What the worker stands on is not there: tried again later, which is no failure of the handler's."""
        self.trouble = f"waiting for what it needs: {named(error)}"
        self._stats.failed(error)
        delay = self._subscription.backoff.delay(message.deliveries)
        logger.error("message put off", error=named(error), delay_seconds=round(delay, 3))
        await message.nak(delay)
        self._stats.retried += 1

    async def _try_again(self, message: Message, error: BaseException, after: float | None = None) -> None:
        self._stats.failed(error)
        if message.settled:
            logger.warning("handler failed after it had settled the message", error=named(error), exc_info=error)
            return
        if message.attempt >= self._subscription.max_attempts:
            await self._give_up(message, Reason.EXHAUSTED, error)
            return
        try:
            await self._attempts.failed(message)
        except Exception as failure:
            logger.warning("attempt not noted: there may be one more than max_attempts", error=named(failure))
        delay = self._subscription.backoff.delay(message.attempt) if after is None else after
        logger.warning(
            "handler failed: trying again",
            error=named(error),
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
            logger.warning("handler gave up a message that it had settled", error=named(error))
            return
        try:
            await self._dead_letters.publish(message, reason, error)
        except Exception as failure:
            delay = self._subscription.backoff.delay(message.deliveries)
            logger.error(
                "dead letter not kept: the message will be tried again",
                reason=reason.value,
                error=named(failure),
                delay_seconds=round(delay, 3),
            )
            await message.nak(delay)
            self._stats.retried += 1
            return
        await message.term(reason.value)
        self._stats.dead_letters[reason.value] += 1
        bug = error if reason is Reason.EXHAUSTED else None  # elsewhere the stack says nothing about the handler
        logger.error("dead letter", reason=reason.value, error=None if error is None else named(error), exc_info=bug)


@contextmanager
def _handling(message: Message) -> Iterator[None]:
    """Binds the message to what is logged meanwhile, also by code that its handler calls."""
    token = current_message.set(message)
    try:
        yield
    finally:
        current_message.reset(token)
