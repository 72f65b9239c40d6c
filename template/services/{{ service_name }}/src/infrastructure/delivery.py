"""Decides what becomes of every delivery: the one place where messages are settled."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from src.infrastructure.acceptance import Acceptance, NotAccepted, Refusal
from src.infrastructure.dead_letters import DeadLetters, Reason
from src.infrastructure.errors import Reject, Retry, named
from src.infrastructure.handler_call import HandlerCall
from src.infrastructure.handling.attempts import Attempts
from src.infrastructure.handling.context import current_message
from src.infrastructure.handling.deduplication import Deduplication
from src.infrastructure.handling.large_payloads import LargePayloads
from src.infrastructure.handling.replays import Replays
from src.infrastructure.message import Message
from src.infrastructure.subscription import Subscription
from src.infrastructure.watching.stats import HandlerStats
from src.utils.logging import logger


class Delivery:
    """Decides on one handler's messages.

    A message is acknowledged only after its handler returned and what it published was confirmed. A failure is given
    back with a delay, and becomes a dead letter after the last attempt. Nothing is dropped: a dead letter is confirmed
    before its original is settled, and where that cannot be done the original is tried again later.
    """

    def __init__(
        self,
        subscription: Subscription,
        attempts: Attempts,
        dead_letters: DeadLetters,
        large_payloads: LargePayloads,
        replays: Replays,
        deduplication: Deduplication | None,
        stats: HandlerStats,
    ) -> None:
        self._subscription = subscription
        self._acceptance = Acceptance(subscription, attempts, large_payloads, deduplication)
        self._call = HandlerCall(subscription, stats)
        self._attempts = attempts
        self._dead_letters = dead_letters
        self._replays = replays
        self._deduplication = deduplication
        self._stats = stats
        self._tells_all = logging.getLogger(__name__).isEnabledFor(logging.DEBUG)  # else it costs nothing
        self._waiting_for = ""
        self._waiting_until = 0.0  # by then the message has come again, here or to another replica

    @property
    def trouble(self) -> str:
        """Why messages cannot be handled although they come, in a few words; empty while they can."""
        if time.monotonic() < self._waiting_until:
            return self._waiting_for
        return self._deduplication.trouble if self._deduplication else ""

    async def deliver(self, message: Message) -> None:
        """Handles one delivery and settles it.

        Raises:
            asyncio.CancelledError: the worker stops; unless the handler settled it, the message is unsettled.
            nats.errors.Error: the answer could not be sent; the server will deliver the message again.
        """
        token = current_message.set(message)  # `message.bound()` in fewer steps
        try:
            try:
                event = await self._acceptance.accept(message)
            except NotAccepted as refused:
                await self._refuse(message, refused)
                return
            self._waiting_until = 0.0
            message.started = True
            failure = await self._call.one(event, message)
            await self._settle(message, failure)
        finally:
            current_message.reset(token)

    async def deliver_batch(self, messages: Sequence[Message]) -> None:
        """Hands deliveries to their handler together and settles each on its own.

        Raises:
            as `deliver`; the other messages have been settled by then.
        """
        events, accepted, failures = [], [], []
        for message in messages:
            try:
                with message.bound():
                    try:
                        events.append(await self._acceptance.accept(message))
                        accepted.append(message)
                        self._waiting_until = 0.0
                    except NotAccepted as refused:
                        await self._refuse(message, refused)
            except Exception as error:
                failures.append(error)
        for message in accepted:
            message.started = True
        failure = await self._call.many(events, accepted) if accepted else None
        for message in accepted:
            try:
                with message.bound():
                    await self._settle(message, failure)
            except Exception as error:
                failures.append(error)
        if failures:
            raise failures[0]

    async def renew_claims(self) -> None:
        """Keeps the inbox from giving other workers what is handled here."""
        if self._deduplication is not None:
            await self._deduplication.renew()

    def forget(self, message: Message) -> None:
        """The delivery is over, whatever became of it: nobody renews its claim any longer."""
        if self._deduplication is not None:
            self._deduplication.forget(message)

    def stop(self) -> None:
        """From now on it is the worker that cancels handlers, not they themselves."""
        self._call.stopping = True

    async def give_back(self, message: Message) -> None:
        """Gives back, at once and without an attempt less, what was not started or not finished when the worker stops.

        Raises:
            nats.errors.Error: it could not be sent; the server delivers the message again after `ack_wait`.
        """
        if message.settled:
            return
        await self._release(message)
        await self._attempts.take_back(message)
        await message.nak()
        self._stats.released += 1

    async def _refuse(self, message: Message, refused: NotAccepted) -> None:
        match refused.why:
            case Refusal.UNAVAILABLE:
                await self._put_off(message, refused.error or refused)
            case Refusal.DONE:
                self._stats.duplicates += 1
                await self._finish(message)
            case Refusal.HELD:
                await self._attempts.take_back(message)
                await message.nak(self._subscription.ack_wait / 3)  # the claim is renewed as often
                self._stats.held += 1
            case Reason() as reason:
                if reason is not Reason.INVALID:
                    self._waiting_until = 0.0  # what had to be asked has answered
                await self._release(message)
                await self._give_up(message, reason, refused.error)

    async def _release(self, message: Message) -> None:
        if self._deduplication is not None:
            await self._deduplication.release(message)

    async def _settle(self, message: Message, failure: BaseException | None) -> None:
        by_hand = message.settled
        if by_hand and failure is not None:
            self._stats.failed(failure)
            logger.warning("handler failed after it had settled the message", error=named(failure), exc_info=failure)
        if message.given_back:
            await self._attempts.note_answer(message)
            await self._release(message)
        elif failure is None or message.settled:
            if self._deduplication is not None:
                await self._mark(self._deduplication, message)
            await self._finish(message)
        else:
            await self._release(message)
            if isinstance(failure, Reject):
                await self._give_up(message, Reason.REJECTED, failure)
            else:
                await self._try_again(message, failure, failure.after if isinstance(failure, Retry) else None)
        if failure is None:
            self._stats.handled += 1
            if self._tells_all:
                logger.debug("message handled", settled_by_hand=by_hand)

    async def _mark(self, deduplication: Deduplication, message: Message) -> None:
        """Has the inbox note that the message was handled."""
        try:
            await deduplication.done(message)
        except asyncio.CancelledError:
            # the worker stops before the store is back; given back, the message would be handled once more
            await message.ack()
            raise

    async def _finish(self, message: Message) -> None:
        """Acknowledges what was handled, unless the handler settled it."""
        if self._subscription.ack_sync:
            await message.ack_sync()
        else:
            await message.ack()
        if message.origin is not None:
            await self._replays.remove(message, with_payload=True)

    async def _put_off(self, message: Message, error: BaseException) -> None:
        """What the worker stands on is not there: tried again later, which is no failure of the handler's."""
        self._waiting_for = f"waiting for what it needs: {named(error)}"
        self._stats.failed(error)
        delay = self._subscription.backoff.delay(message.deliveries)
        self._waiting_until = time.monotonic() + delay + self._subscription.ack_wait
        logger.error("message put off", error=named(error), delay_seconds=round(delay, 3))
        await self._release(message)
        await self._attempts.take_back(message)
        await message.nak(delay)
        self._stats.retried += 1

    async def _try_again(self, message: Message, error: BaseException, after: float | None = None) -> None:
        self._stats.failed(error)
        if message.attempt >= self._subscription.max_attempts:
            await self._give_up(message, Reason.EXHAUSTED, error)
            return
        delay = self._subscription.backoff.delay(message.attempt) if after is None else after
        logger.warning(
            "handler failed: trying again",
            error=named(error),
            delay_seconds=round(delay, 3),
            max_attempts=self._subscription.max_attempts,
            exc_info=None if isinstance(error, Retry) else error,
        )
        if delay > self._subscription.schedule_above and await self._replays.schedule(message, delay):
            await self._settle_original(message, "scheduled")
            self._stats.scheduled += 1
        else:
            await message.nak(delay)
        self._stats.retried += 1

    async def _give_up(self, message: Message, reason: Reason, error: BaseException | None) -> None:
        if error is not None:
            self._stats.failed(error)
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
            await self._attempts.take_back(message)
            await message.nak(delay)
            self._stats.retried += 1
            return
        await self._given_up(message, reason, error)
        await self._settle_original(message, reason.value)
        self._stats.dead_letters[reason.value] += 1
        bug = error if reason is Reason.EXHAUSTED else None  # elsewhere the stack says nothing about the handler
        logger.error("dead letter", reason=reason.value, error=None if error is None else named(error), exc_info=bug)

    async def _given_up(self, message: Message, reason: Reason, error: BaseException | None) -> None:
        """Called when the dead letter is kept, and before the original is settled; for what is built on this."""

    async def _settle_original(self, message: Message, reason: str) -> None:
        """Ends a message that goes on as another; a payload that is kept apart stays for that one."""
        await message.term(reason)
        if message.origin is not None:
            await self._replays.remove(message, with_payload=False)
