"""Uses the inbox for one handler, and decides what happens while its store cannot be reached."""

from __future__ import annotations

import asyncio
import time
from typing import Literal

from src.infrastructure.errors import named
from src.infrastructure.inbox import Claim, Inbox
from src.infrastructure.message import Message
from src.utils.logging import logger


class Deduplication:
    """Claims, marks and releases the messages of one handler.

    Args:
        inbox: where that is kept.
        ack_wait: of the subscription, in seconds. Claims end sooner: what a dead worker held comes again after it.
        when_down: `wait` has messages wait while the store is away; `handle` handles them without it, perhaps twice.
    """

    RETRY = 1.0  # seconds between attempts to mark a message that was handled
    PAUSE = 5.0  # seconds for which a store that failed is not asked, where messages do not wait for it
    RELEASE_LIMIT = 0.5  # seconds that giving up a claim may take
    RENEW_LIMIT = 2.0  # seconds that renewing all claims may take

    def __init__(self, inbox: Inbox, ack_wait: float, when_down: Literal["wait", "handle"]) -> None:
        self._inbox = inbox
        self._lease = ack_wait * 2 / 3
        self._waits = when_down == "wait"
        self._not_before = 0.0
        self._held: dict[str, Message] = {}  # by inbox key, what this worker has claimed and is not done with
        self.trouble = ""  # why handled messages wait for the store; empty while they do not

    async def claim(self, message: Message) -> Claim:
        """Claims the message; it is taken as well where the store is away and messages do not wait for it.

        Raises:
            Exception: the store cannot be reached, and messages wait for it.
        """
        if message.inbox_key in self._held:
            return Claim.HELD  # delivered again while it is handled, and the claim's time may be over
        if time.monotonic() < self._not_before:
            return Claim.TAKEN
        try:
            claim = await self._inbox.claim(message.inbox_key, self._lease)
        except Exception as error:
            if self._waits:
                raise
            self._go_without(error)
            return Claim.TAKEN
        if claim is Claim.TAKEN:
            self._held[message.inbox_key] = message
        return claim

    async def done(self, message: Message) -> None:
        """Marks a message that was handled; returns when the store has it, or when nobody waits for the store."""
        while self._waits or time.monotonic() >= self._not_before:
            try:
                await self._inbox.done(message.inbox_key)
            except Exception as error:
                if not self._waits:
                    self._go_without(error)
                    break
                if not self.trouble:
                    logger.error("handled, and waiting for the inbox to note it", error=named(error))
                self.trouble = f"waiting for the inbox: {named(error)}"
                await asyncio.sleep(self.RETRY)
            else:
                self.trouble = ""
                break
        self.forget(message)

    async def release(self, message: Message) -> None:
        """Gives up a claim, so that the next attempt need not wait for its end; takes no longer than a moment."""
        if not self._holds(message):
            return
        self.forget(message)
        try:
            async with asyncio.timeout(self.RELEASE_LIMIT):
                await self._inbox.release(message.inbox_key)
        except Exception as error:
            logger.warning("claim not released: the next attempt waits for its end", error=named(error))

    async def renew(self) -> None:
        """Keeps all claims while their handlers run; takes no longer than a moment."""
        try:
            async with asyncio.timeout(self.RENEW_LIMIT):
                await asyncio.gather(*(self._inbox.renew(key, self._lease) for key in self._held))
        except Exception as error:
            logger.warning("claims not renewed", claims=len(self._held), error=named(error))

    def forget(self, message: Message) -> None:
        """The message is no longer this worker's business; a claim that was not marked or released ends by itself."""
        if self._holds(message):
            del self._held[message.inbox_key]

    def _holds(self, message: Message) -> bool:
        return self._held.get(message.inbox_key) is message

    def _go_without(self, error: Exception) -> None:
        logger.error("handling without the inbox: messages may be handled twice", error=named(error))
        self._not_before = time.monotonic() + self.PAUSE
