"""The inbox of one handler: claims what waits for it, and notes what it has handled, many messages at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import chain
from typing import Any, Protocol

from src.infrastructure import metrics
from src.infrastructure.delivery import Delivery
from src.infrastructure.errors import describe
from src.infrastructure.message import Message
from src.utils.logging import logger


class Claim(Enum):
    """The answer to a claim."""

    TAKEN = auto()  # this worker handles it now
    HELD = auto()  # another worker handles it right now
    DONE = auto()  # it has been handled


class Store(Protocol):
    """Where claims and handled messages are kept. Every method but `close` raises if the store cannot be reached.

    Each takes the keys of many messages, which travel together.
    """

    async def claim(self, claims: Mapping[str, Any], lease: float) -> Sequence[tuple[Claim, Any]]:
        """Claim messages for `lease` seconds from now.

        Args:
            claims: the keys, each with the token of the claim that this worker has, or None.
            lease: the seconds.

        Returns:
            For each in turn the answer, and the token that the claim is known by from now on.
        """

    async def done(self, keys: Collection[str]) -> None:
        """Remember for `DEDUP_TTL` that messages were handled."""

    async def release(self, claims: Mapping[str, Any]) -> None:
        """Give up claims, each with its token."""

    async def close(self) -> None:
        """Close connections."""


@dataclass(slots=True)
class Held:
    """What is known of a message.

    Attributes:
        until: the monotonic time from which on the answer is too old to start a handler; 0 while there is none.
    """

    message: Message
    claim: Claim = Claim.HELD
    token: Any = None
    until: float = 0.0


class StoredHandlerInbox:
    """Claims, marks and releases one handler's messages, and decides what happens while the store is away.

    Messages are claimed while they wait for the handler, and the next one is handled while the last is being noted.
    With `waits`, messages wait for a store that is away; without, they are handled, possibly twice.

    Attributes:
        lease: the seconds that a claim lasts: it ends before the server delivers the message again.
        trouble: why handled messages wait for the store; empty while they do not.
    """

    RETRY = 1.0  # seconds between attempts to mark messages that were handled
    PAUSE = 5.0  # seconds for which a store that failed is not asked, if messages do not wait for it
    LIMIT = 0.5  # seconds that giving up claims may take, or the last notes
    MOST = 500  # messages that are claimed before the handler needs them

    def __init__(self, store: Store, delivery: Delivery, *, waits: bool) -> None:
        self.lease = delivery.subscription.ack_wait * 2 / 3
        self.trouble = ""
        self._store = store
        self._delivery = delivery
        self._waits = waits
        self._not_before = 0.0
        self._ahead: dict[str, Held] = {}  # asked for, and not with the handler; by key as all three
        self._running: dict[str, Held] = {}
        self._handled: dict[str, Held] = {}  # wait for their note
        self._keys: dict[Message, str] = {}  # of what waits, since a key takes long to make
        self._asking: asyncio.Task[None] | None = None
        self._noting: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def admit(self, message: Message) -> bool:
        """See `HandlerInbox.admit`."""
        claim = await self.claim(message)
        if claim is Claim.DONE:
            metrics.DUPLICATES.labels(message.handler).inc()
            await self._delivery.finish(message)
        elif claim is Claim.HELD:
            await self._delivery.attempts.uncount(message)
            await message.nak(self._delivery.subscription.ack_wait / 3)
            metrics.HELD.labels(message.handler).inc()
        return claim is Claim.TAKEN

    async def claim(self, message: Message) -> Claim:
        """Claim a running message; it is taken as well if the store is away and messages do not wait for it.

        Raises:
            Exception: the store cannot be reached, and messages wait for it.
        """
        key = self._keys.get(message) or message.dedup_key
        while time.monotonic() >= self._not_before:
            held = self._ahead.get(key)
            if key in self._handled and self._noting:
                await asyncio.shield(self._noting)  # delivered again; then the store knows
            elif key in self._running:
                return Claim.HELD  # delivered again while it is handled
            elif held is None or time.monotonic() >= held.until:  # or so late that the claim may have ended
                await asyncio.shield(self._ask())
            else:
                del self._ahead[key]
                if held.claim is Claim.TAKEN:
                    held.message = message
                    self._running[key] = held
                    self._keeper = self._keeper or asyncio.create_task(self._keep_claims())
                    if 2 * len(self._ahead) < min(len(self._delivery.buffer), self.MOST):
                        self._ask()  # before the handler needs it
                return held.claim
        return Claim.TAKEN

    async def done(self, message: Message) -> None:
        """See `HandlerInbox.done`. This returns at once, unless the store is away."""
        key = self._keys.get(message) or message.dedup_key
        held = self._running.pop(key, None)
        self._handled[key] = held or Held(message)
        if self._noting is None or self._noting.done():
            self._noting = asyncio.create_task(self._note())
        if self.trouble or message.noted:  # a note of its end follows this one
            try:
                await asyncio.shield(self._noting)
            except asyncio.CancelledError:
                await message.ack()  # the worker stops before the store is back: do not handle it once more
                raise

    async def release(self, message: Message) -> None:
        """Give up a claim within a moment; for a message that waits, the claims of all that wait."""
        key = self._keys.get(message) or message.dedup_key
        if key in self._ahead:
            ahead, self._ahead = self._ahead, {}
            await self._release(ahead)
        elif (held := self._running.get(key)) and held.message is message:
            del self._running[key]
            await self._release({key: held})

    async def close(self) -> None:
        """Settle what was handled, and give up the claims of what waits."""
        if self._keeper:
            self._keeper.cancel()
        if last := [task for task in (self._asking, self._noting) if task]:
            await asyncio.wait(last, timeout=self.LIMIT)
        for held in self._handled.values():
            await held.message.ack()  # as in `done`
        await self._release(self._ahead)

    def _ask(self) -> asyncio.Task[None]:
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._claim_waiting())
            self._asking.add_done_callback(lambda task: task.cancelled() or task.exception())  # nobody may await it
        return self._asking

    async def _claim_waiting(self) -> None:
        """Claim in one go what waits for the handler, and what it runs with and was claimed some time ago."""
        now, buffer = time.monotonic(), self._delivery.buffer
        taken = {**self._running, **self._handled}
        waiting = [message for message in chain(buffer.running, buffer) if not message.started][: self.MOST]
        self._keys = {message: self._keys.get(message) or message.dedup_key for message in waiting}
        self._ahead = {key: self._ahead.get(key) or Held(one) for one, key in self._keys.items() if key not in taken}
        wanted = {key: held for key, held in {**taken, **self._ahead}.items() if held.until <= now}
        try:
            claims = {key: held.token for key, held in wanted.items()}
            answers = await self._store.claim(claims, self.lease) if claims else ()
        except Exception as error:
            if self._waits:
                raise
            self._go_without(error)
            return
        for held, answer in zip(wanted.values(), answers, strict=True):
            held.claim, held.token = answer
            held.until = now + self.lease / 2
        known = self._ahead.keys() | self._running.keys() | self._handled.keys()
        await self._release({key: held for key, held in wanted.items() if key not in known})  # given back meanwhile

    async def _note(self) -> None:
        """Mark in one go what was handled, and finish it, until nothing is left."""
        while notes := dict(self._handled):
            await self._mark(list(notes))
            self._handled = {key: held for key, held in self._handled.items() if key not in notes}
            for held in notes.values():
                try:
                    await self._delivery.finish(held.message)
                except Exception as error:
                    with held.message.bound():
                        logger.error("not settled: the server will deliver again", exc_info=error)

    async def _mark(self, keys: list[str]) -> None:
        while self._waits or time.monotonic() >= self._not_before:
            try:
                await self._store.done(keys)
                self.trouble = ""
                return
            except Exception as error:
                if self._waits:
                    if not self.trouble:
                        logger.error("messages handled, waiting for the inbox to note it", error=describe(error))
                    self.trouble = f"waiting for the inbox: {describe(error)}"
                    await asyncio.sleep(self.RETRY)
                else:
                    self._go_without(error)

    async def _release(self, helds: Mapping[str, Held]) -> None:
        claims = {key: held.token for key, held in helds.items() if held.until and held.claim is Claim.TAKEN}
        try:
            async with asyncio.timeout(self.LIMIT):
                if claims:
                    await self._store.release(claims)
        except Exception as error:
            logger.warning("claims not released: the next attempts wait for their end", error=describe(error))

    async def _keep_claims(self) -> None:
        """Extend the claims of running messages again and again; tell the server of those that wait for their note."""
        while True:
            await asyncio.sleep(self.lease / 6)
            self._running = {key: held for key, held in self._running.items() if not held.message.settled}
            for held in self._handled.values():
                await held.message.in_progress()
            try:
                await asyncio.shield(self._ask())
            except Exception as error:
                logger.warning("claims not renewed", claims=len(self._running), error=describe(error))

    def _go_without(self, error: Exception) -> None:
        logger.error("handling without the inbox: messages may be handled twice", error=describe(error))
        self._not_before = time.monotonic() + self.PAUSE
