"""Whether a message may go to its handler now. Nothing is settled here: `delivery.py` does that."""

from __future__ import annotations

import logging
from enum import Enum
from typing import Any

import nats.errors

from src.infrastructure.dead_letters import Reason
from src.infrastructure.handling.attempts import Attempts
from src.infrastructure.handling.deduplication import Deduplication
from src.infrastructure.handling.large_payloads import LargePayloads
from src.infrastructure.handling.origin import OBJECT
from src.infrastructure.inbox import Claim
from src.infrastructure.message import Message
from src.infrastructure.subscription import Subscription
from src.utils.logging import logger


class Refusal(Enum):
    """Why a message does not go to its handler, although it is no dead letter."""

    DONE = "it was handled before"
    HELD = "somebody handles it right now"
    UNAVAILABLE = "what must be asked first cannot be reached"


class NotAccepted(Exception):
    """A message does not go to its handler.

    Attributes:
        why: what becomes of it follows from this; a `Reason` makes it a dead letter.
        error: what was raised, where something was.
    """

    def __init__(self, why: Refusal | Reason, error: Exception | None = None) -> None:
        super().__init__(why.value)
        self.why = why
        self.error = error


class Acceptance:
    """Reads one handler's messages, and asks the inbox and the attempts whether they may go to it."""

    def __init__(
        self,
        subscription: Subscription,
        attempts: Attempts,
        large_payloads: LargePayloads,
        deduplication: Deduplication | None,
    ) -> None:
        self._max_attempts = subscription.max_attempts
        self._decode = subscription.signature.decode
        self._read = subscription.signature.read
        self._attempts = attempts
        self._large_payloads = large_payloads
        self._deduplication = deduplication
        self._tells_all = logging.getLogger(__name__).isEnabledFor(logging.DEBUG)  # else it costs nothing

    async def accept(self, message: Message) -> Any:
        """The event that the handler is to get; `message.attempt` says which attempt that is.

        Raises:
            NotAccepted: it is to get none.
        """
        if self._tells_all:
            logger.debug("message received", deliveries=message.deliveries, bytes=len(message.data))
        try:
            if message.origin is not None:
                await self._fetch_payload(message)
            event = self._read(message.data, message.headers) if self._read else self._decode(message.data)
        except nats.errors.Error as error:
            raise NotAccepted(Refusal.UNAVAILABLE, error) from error
        except Exception as error:
            raise NotAccepted(Reason.INVALID, error) from error
        try:
            if self._deduplication is not None:
                await self._claim(self._deduplication, message)
            if not self._attempts.is_first(message, self._max_attempts):
                message.attempt = await self._attempts.start(message, self._max_attempts)
                if message.attempt > self._max_attempts:
                    await self._refuse_exhausted(message)
        except NotAccepted:
            raise
        except Exception as error:
            raise NotAccepted(Refusal.UNAVAILABLE, error) from error
        return event

    async def _fetch_payload(self, message: Message) -> None:
        if name := message.headers.get(OBJECT):
            payload = await self._large_payloads.get(name)
            if payload is None:
                raise ValueError(f"there is no object {name} in the bucket dlq, which should hold the payload")
            message.data = payload

    async def _claim(self, deduplication: Deduplication, message: Message) -> None:
        claim = await deduplication.claim(message)
        if claim is Claim.DONE:
            raise NotAccepted(Refusal.DONE)
        if claim is Claim.HELD:
            raise NotAccepted(Refusal.HELD)

    async def _refuse_exhausted(self, message: Message) -> None:
        """Refuses what has had all its attempts, and was not given up after the last of them."""
        message.attempt = self._max_attempts
        # the worker answers every attempt that it survives, unless the handler does: it died of this message
        answered = await self._attempts.was_answered(message, message.attempt)
        raise NotAccepted(Reason.EXHAUSTED if answered else Reason.CRASHED)
