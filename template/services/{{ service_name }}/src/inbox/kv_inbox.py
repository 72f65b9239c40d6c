"""Keeps the inbox in a NATS key-value bucket: `DEDUP=nats-kv`."""

from __future__ import annotations

import time
from contextlib import suppress
from hashlib import sha256

import nats.errors
from nats.js.errors import BucketNotFoundError, KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from src.infrastructure.delivery import Claim
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.nats_client import NatsClient

DONE = b"done"
FREE = b"0"
TIME_LIMIT = 2.0  # seconds for one request; a server that elects a leader never answers it


class KvInbox:
    """One entry for each message: `done`, or the time at which a claim ends.

    A claim creates the entry, or replaces one whose time is over at the revision that was read; the server lets only
    one worker win. The bucket's TTL removes entries.

    Args:
        nats: the connection.
        ttl: seconds that a handled message is remembered.
    """

    def __init__(self, nats: NatsClient, ttl: float) -> None:
        self._nats = nats
        self._name = f"inbox_{nats.service}"
        self._ttl = ttl
        self._bucket: KeyValue | None = None
        self._connections = 0
        self._revisions: dict[str, int] = {}  # of the claims that this worker holds

    async def claim(self, key: str, lease: float) -> Claim:
        """See `Store.claim`."""
        entry_key, until = _digest(key), _end_of(lease)
        bucket = await self._opened()
        try:
            try:
                self._revisions[key] = await bucket.update(entry_key, until, last=0)
                return Claim.TAKEN
            except KeyWrongLastSequenceError:
                pass
            entry = await bucket.get(entry_key)
            if entry.value == DONE:
                return Claim.DONE
            if float(entry.value or 0) > time.time():
                return Claim.HELD
            self._revisions[key] = await bucket.update(entry_key, until, last=entry.revision)
            return Claim.TAKEN
        except (KeyNotFoundError, KeyWrongLastSequenceError):
            return Claim.HELD  # another worker was faster
        except nats.errors.Error:
            self._bucket = None  # it may have been deleted
            raise

    async def renew(self, key: str, lease: float) -> None:
        """See `Store.renew`."""
        if (revision := self._revisions.get(key)) is None:
            return
        bucket = await self._opened()
        with suppress(KeyWrongLastSequenceError):  # marked as done meanwhile, or another worker has it
            renewed = await bucket.update(_digest(key), _end_of(lease), last=revision)
            if key in self._revisions:
                self._revisions[key] = renewed

    async def done(self, key: str) -> None:
        """See `Store.done`."""
        try:
            await (await self._opened()).put(_digest(key), DONE)
        except nats.errors.Error:
            self._bucket = None
            raise
        self._revisions.pop(key, None)

    async def release(self, key: str) -> None:
        """See `Store.release`."""
        if (revision := self._revisions.pop(key, None)) is not None:
            with suppress(KeyWrongLastSequenceError):  # it is no longer this worker's
                await (await self._opened()).update(_digest(key), FREE, last=revision)

    def forget(self, key: str) -> None:
        """See `Store.forget`."""
        self._revisions.pop(key, None)

    async def close(self) -> None:
        """See `Store.close`; the connection is the worker's."""

    async def _opened(self) -> KeyValue:
        """Return the bucket; open it again after a reconnect or a failure, since the server may be another.

        Raises:
            ConfigurationError: it is missing and may not be created, or forgets entries at another time.
            nats.errors.Error: the server does not answer, or refuses.
        """
        if self._bucket is not None and self._connections == self._nats.connections:
            return self._bucket
        self._connections = self._nats.connections
        jetstream = self._nats.client.jetstream(timeout=TIME_LIMIT)
        settings = self._nats.settings
        try:
            bucket = await jetstream.key_value(self._name)
        except BucketNotFoundError:
            if settings.STREAM_MODE != "create":
                raise
            bucket = await jetstream.create_key_value(
                bucket=self._name, ttl=self._ttl, history=1, replicas=settings.STREAM_REPLICAS
            )
        ttl = (await bucket.status()).ttl or 0
        if settings.STREAM_MODE != "off" and abs(ttl - self._ttl) >= 1:
            raise ConfigurationError(
                f"bucket {self._name} keeps entries {f'for {ttl:g} s' if ttl else 'forever'}, and DEDUP_TTL is "
                f"{self._ttl:g}; change one of them"
            )
        self._bucket = bucket
        return bucket


def _digest(key: str) -> str:
    """Return the key of an entry, since a key may hold few characters."""
    return sha256(key.encode()).hexdigest()


def _end_of(lease: float) -> bytes:
    return str(time.time() + lease).encode()
