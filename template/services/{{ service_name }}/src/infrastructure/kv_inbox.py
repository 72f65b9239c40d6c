"""An inbox in a NATS key-value bucket: `DEDUP=nats-kv`."""

from __future__ import annotations

import hashlib
import time

from nats.js.errors import KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from src.infrastructure.inbox import Claim
from src.infrastructure.jetstream_api import open_bucket
from src.infrastructure.nats_client import NatsClient

DONE = b"done"


class KvInbox:
    """Keeps an entry a message: `done`, or the time at which a claim ends.

    A claim is taken by creating the entry, or by replacing one whose time is over at the revision that was read; the
    server lets only one worker win. The bucket's own TTL forgets entries.

    Args:
        nats: the connection.
        service: gives the bucket its name.
        ttl: seconds that the bucket keeps an entry.
        replicas: of the bucket, when it has to be made.
    """

    def __init__(self, nats: NatsClient, service: str, ttl: float, replicas: int) -> None:
        self._nats = nats
        self._bucket = f"inbox_{service}"
        self._ttl = ttl
        self._replicas = replicas
        self._store: KeyValue | None = None

    async def claim(self, key: str, lease: float) -> Claim:
        """See `Inbox.claim`."""
        store, entry_key = await self._open(), _entry_key(key)
        until = str(time.time() + lease).encode()
        try:
            await store.create(entry_key, until)
            return Claim.TAKEN
        except KeyWrongLastSequenceError:
            entry = await store.get(entry_key)
        if entry.value == DONE:
            return Claim.DONE
        if float(entry.value or 0) > time.time():
            return Claim.HELD
        try:
            await store.update(entry_key, until, last=entry.revision)
            return Claim.TAKEN
        except KeyWrongLastSequenceError:
            return Claim.HELD

    async def done(self, key: str) -> None:
        """See `Inbox.done`."""
        await (await self._open()).put(_entry_key(key), DONE)

    async def release(self, key: str) -> None:
        """See `Inbox.release`."""
        await (await self._open()).put(_entry_key(key), b"0")

    async def close(self) -> None:
        """See `Inbox.close`; the connection is the worker's."""

    async def _open(self) -> KeyValue:
        if self._store is None:
            self._store = await open_bucket(self._nats.jetstream, self._bucket, self._ttl, self._replicas)
        return self._store


def _entry_key(key: str) -> str:
    """A key may hold few characters, a message id any: the bucket gets a digest."""
    return hashlib.sha256(key.encode()).hexdigest()
