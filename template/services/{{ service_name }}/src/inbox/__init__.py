"""The inbox: remembers which messages were handled, so that a redelivery is not handled twice.

A message is claimed for a short time, handled, marked as done, and only then acked. The claim of a worker that died
ends by itself. `DEDUP` chooses the store.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from src.config import load
from src.inbox.claim import Claim
from src.inbox.settings import InboxSettings
from src.infrastructure import metrics
from src.infrastructure.delivery import Delivery, Inbox
from src.infrastructure.errors import ConfigurationError, describe
from src.infrastructure.message import Message
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.subscription import Subscription
from src.utils.logging import logger


class Store(Protocol):
    """Where claims and handled messages are kept. Every method but `close` raises if the store cannot be reached."""

    async def claim(self, key: str, lease: float) -> tuple[Claim, Any]:
        """Claim a message for `lease` seconds; return with it what `renew` and `release` know the claim by."""

    async def renew(self, key: str, lease: float, token: Any) -> Any:
        """Have a claim end `lease` seconds from now if it still is this worker's; return its token from now on."""

    async def done(self, key: str) -> None:
        """Remember for `DEDUP_TTL` that a message was handled."""

    async def release(self, key: str, token: Any) -> None:
        """Give up a claim."""

    async def close(self) -> None:
        """Close connections."""


def lease_of(subscription: Subscription) -> float:
    """Return the seconds that a claim lasts: it ends before the server delivers the message again."""
    return subscription.ack_wait * 2 / 3


@dataclass(slots=True)
class Held:
    """A claim that this worker holds."""

    message: Message
    lease: float
    token: Any


def inbox_for(dedup: str, nats: NatsClient) -> Inbox:
    """Return the inbox for a value of `DEDUP`.

    Raises:
        ConfigurationError: the service does not have that store.
    """
    settings = load(InboxSettings)
    store: Store
    try:
        # by name, because a service has only one of the two
        if dedup == "redis":
            redis_inbox = import_module("src.inbox.redis_inbox")
            store = redis_inbox.RedisInbox(settings.REDIS_URL.get_secret_value(), nats.service, settings.DEDUP_TTL)
        else:
            store = import_module("src.inbox.kv_inbox").KvInbox(nats, settings.DEDUP_TTL)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"DEDUP={dedup} needs {error.name}, which this service lacks; `natsgen answers SERVICE set dedup={dedup}` "
            f"adds it"
        ) from error
    return StoredInbox(store, settings)


class StoredInbox:
    """Claims, marks and releases messages, and decides what happens while the store is away.

    With `DEDUP_UNAVAILABLE=wait` messages wait for the store; with `handle` they are handled, possibly twice.

    Attributes:
        trouble: why handled messages wait for the store; empty while they do not.
    """

    RETRY = 1.0  # seconds between attempts to mark a message that was handled
    PAUSE = 5.0  # seconds for which a store that failed is not asked, if messages do not wait for it
    RELEASE_LIMIT = 0.5  # seconds that giving up a claim may take
    RENEW_LIMIT = 2.0  # seconds that renewing all claims may take

    def __init__(self, store: Store, settings: InboxSettings) -> None:
        self.trouble = ""
        self._store = store
        self._waits = settings.DEDUP_UNAVAILABLE == "wait"
        self._ttl = settings.DEDUP_TTL
        self._not_before = 0.0
        self._claims: dict[str, Held] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}  # by handler

    def check(self, subscription: Subscription) -> None:
        """Check that the store remembers a claim until it is renewed.

        Raises:
            ConfigurationError: `DEDUP_TTL` is shorter than the lease.
        """
        if self._ttl < (lease := lease_of(subscription)):
            raise ConfigurationError(
                f"DEDUP_TTL is {self._ttl:g} s, and the handler {subscription.handler} needs at least {lease:g} s: two "
                f"thirds of its ack_wait"
            )

    async def admit(self, message: Message, delivery: Delivery) -> bool:
        """See `Inbox.admit`."""
        claim = await self.claim(message, lease_of(delivery.subscription))
        if claim is Claim.DONE:
            metrics.DUPLICATES.labels(message.handler).inc()
            await delivery.finish(message)
        elif claim is Claim.HELD:
            await delivery.attempts.take_back(message)
            await message.nak(delivery.subscription.ack_wait / 3)
            metrics.HELD.labels(message.handler).inc()
        return claim is Claim.TAKEN

    async def claim(self, message: Message, lease: float) -> Claim:
        """Claim a message; it is taken as well if the store is away and messages do not wait for it.

        Raises:
            Exception: the store cannot be reached, and messages wait for it.
        """
        key = message.dedup_key
        if key in self._claims:
            return Claim.HELD  # delivered again while it is handled
        if time.monotonic() < self._not_before:
            return Claim.TAKEN
        try:
            while True:
                asked_at = time.monotonic()
                claim, token = await self._store.claim(key, lease)
                if claim is not Claim.TAKEN or time.monotonic() < asked_at + lease:
                    break  # else it may have ended while the answer was on its way, or this process stood still
        except Exception as error:
            if self._waits:
                raise
            self._go_without(error)
            return Claim.TAKEN
        if claim is Claim.TAKEN:
            self._claims[key] = Held(message, lease, token)
            if message.handler not in self._keepers:
                self._keepers[message.handler] = asyncio.create_task(self._keep_claims(message.handler, lease / 2))
        return claim

    async def done(self, message: Message) -> None:
        """Mark a message that was handled; return once the store has it, or if nobody waits for the store."""
        try:
            await self._mark(message)
        except asyncio.CancelledError:
            await message.ack()  # the worker stops before the store is back: do not handle it once more
            raise
        self._forget(message)  # also if the store does not know that it is done

    async def _mark(self, message: Message) -> None:
        while self._waits or time.monotonic() >= self._not_before:
            try:
                await self._store.done(message.dedup_key)
            except Exception as error:
                if not self._waits:
                    self._go_without(error)
                    break
                if not self.trouble:
                    logger.error("message handled, waiting for the inbox to note it", error=describe(error))
                self.trouble = f"waiting for the inbox: {describe(error)}"
                await asyncio.sleep(self.RETRY)
            else:
                self.trouble = ""
                break

    async def release(self, message: Message) -> None:
        """Give up a claim within a moment, so that the next attempt does not wait for its end."""
        if held := self._forget(message):
            try:
                async with asyncio.timeout(self.RELEASE_LIMIT):
                    await self._store.release(message.dedup_key, held.token)
            except Exception as error:
                logger.warning("claim not released: the next attempt waits for its end", error=describe(error))

    async def _keep_claims(self, handler: str, pause: float) -> None:
        """Extend the claims of a handler's running messages again and again."""
        while True:
            await asyncio.sleep(pause)
            held = [one for one in self._claims.values() if one.message.handler == handler]
            try:
                async with asyncio.timeout(self.RENEW_LIMIT):
                    await asyncio.gather(*map(self._renew, held))
            except Exception as error:
                logger.warning("claims not renewed", claims=len(held), error=describe(error))

    async def _renew(self, held: Held) -> None:
        if held.message.settled:  # its answer could not be sent
            self._forget(held.message)
        else:
            held.token = await self._store.renew(held.message.dedup_key, held.lease, held.token)

    async def close(self) -> None:
        """End the renewals, and close the store."""
        for keeper in self._keepers.values():
            keeper.cancel()
        await self._store.close()

    def _forget(self, message: Message) -> Held | None:
        held = self._claims.get(message.dedup_key)
        return self._claims.pop(message.dedup_key) if held and held.message is message else None

    def _go_without(self, error: Exception) -> None:
        logger.error("handling without the inbox: messages may be handled twice", error=describe(error))
        self._not_before = time.monotonic() + self.PAUSE
