"""An inbox in a NATS key-value bucket: `DEDUP=nats-kv`."""

from __future__ import annotations

import time
from contextlib import suppress

from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError

from src.config import Settings
from src.infrastructure.handling.bucket import Bucket, key_for
from src.infrastructure.inbox import Claim
from src.infrastructure.nats_client import NatsClient

DONE = b"done"
FREE = b"0"


class KvInbox:
    """Keeps an entry a message: `done`, or the time at which a claim ends.

    A claim is taken by creating the entry, or by replacing one whose time is over at the revision that was read; the
    server lets only one worker win. The bucket's own TTL forgets entries.

    Args:
        nats: the connection.
        settings: the service's settings.
    """

    def __init__(self, nats: NatsClient, settings: Settings) -> None:
        self._bucket = Bucket(nats, settings, f"inbox_{settings.SERVICE_NAME}", settings.DEDUP_TTL)
        self._revisions: dict[str, int] = {}  # of the claims that this worker holds

    async def claim(self, key: str, lease: float) -> Claim:
        """See `Inbox.claim`."""
        entry_key, until = key_for(key), _end_of(lease)
        async with self._bucket.opened() as store:
            try:
                self._revisions[key] = await store.update(entry_key, until, last=0)
                return Claim.TAKEN
            except KeyWrongLastSequenceError:
                pass
            try:
                entry = await store.get(entry_key)
                if entry.value == DONE:
                    return Claim.DONE
                if float(entry.value or 0) > time.time():
                    return Claim.HELD
                self._revisions[key] = await store.update(entry_key, until, last=entry.revision)
                return Claim.TAKEN
            except (KeyNotFoundError, KeyWrongLastSequenceError):
                return Claim.HELD  # somebody was faster

    async def renew(self, key: str, lease: float) -> None:
        """See `Inbox.renew`."""
        if (revision := self._revisions.get(key)) is None:
            return
        try:
            async with self._bucket.opened() as store:
                renewed = await store.update(key_for(key), _end_of(lease), last=revision)
        except KeyWrongLastSequenceError:
            return  # it has been marked as done meanwhile, or its time was over and another worker has it
        if key in self._revisions:
            self._revisions[key] = renewed

    async def done(self, key: str) -> None:
        """See `Inbox.done`."""
        async with self._bucket.opened() as store:
            await store.put(key_for(key), DONE)
        self._revisions.pop(key, None)

    async def release(self, key: str) -> None:
        """See `Inbox.release`."""
        if (revision := self._revisions.pop(key, None)) is not None:
            async with self._bucket.opened() as store:
                with suppress(KeyWrongLastSequenceError):  # it is no longer this worker's
                    await store.update(key_for(key), FREE, last=revision)

    async def close(self) -> None:
        """See `Inbox.close`; the connection is the worker's."""


def _end_of(lease: float) -> bytes:
    return str(time.time() + lease).encode()
