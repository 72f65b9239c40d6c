"""The inbox: remembers which messages were handled, so that a redelivery is not handled twice.

A message is claimed for a short time, handled, marked as done, and only then acked. The claim of a worker that died
ends by itself. `DEDUP` chooses the store.
"""

from __future__ import annotations

import asyncio
from importlib import import_module

from src.config import load
from src.inbox.handler_inbox import Store, StoredHandlerInbox
from src.inbox.settings import InboxSettings
from src.infrastructure.delivery import Delivery, Inbox
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.nats_client import NatsClient


def inbox_for(dedup: str, nats: NatsClient) -> Inbox:
    """Return what gives each handler its inbox, for a value of `DEDUP`.

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
    return StoredInbox(store, settings, nats).of


class StoredInbox:
    """The inboxes of all handlers, in one store."""

    def __init__(self, store: Store, settings: InboxSettings, nats: NatsClient) -> None:
        nats.finishing.add(self._close)
        self._store = store
        self._settings = settings
        self._handlers: list[StoredHandlerInbox] = []

    def of(self, delivery: Delivery) -> StoredHandlerInbox:
        """Return the inbox of one handler.

        Raises:
            ConfigurationError: the store would forget its claims.
        """
        inbox = StoredHandlerInbox(self._store, delivery, waits=self._settings.DEDUP_UNAVAILABLE == "wait")
        if (ttl := self._settings.DEDUP_TTL) < inbox.lease:
            raise ConfigurationError(
                f"DEDUP_TTL is {ttl:g} s, and the handler {delivery.subscription.handler} needs at least "
                f"{inbox.lease:g} s: two thirds of its ack_wait"
            )
        self._handlers.append(inbox)
        return inbox

    async def _close(self, *_: object) -> None:
        await asyncio.gather(*(inbox.close() for inbox in self._handlers))
        await self._store.close()
