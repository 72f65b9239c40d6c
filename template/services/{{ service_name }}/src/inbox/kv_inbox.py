"""Keeps the inbox in a NATS key-value bucket: `DEDUP=nats-kv`."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import sha256

import nats.errors
from nats.js.errors import BucketNotFoundError, KeyWrongLastSequenceError, NotFoundError
from nats.js.kv import KeyValue

from src.inbox.claim import Claim
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.nats_client import NatsClient

DONE = b"done"
FREE = b"0"
TIME_LIMIT = 2.0  # seconds for one request; a server that elects a leader never answers it


class KvInbox:
    """One entry for each message: `done`, or the seconds after which a claim ends.

    A claim creates the entry, or replaces one whose time is over at the revision that was read; the server lets only
    one worker win. Time is the server's: it knows when an entry was stored. The bucket's TTL removes entries.

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

    async def claim(self, key: str, lease: float) -> tuple[Claim, int]:
        """See `Store.claim`; the token is the entry's revision."""
        entry, until = _digest(key), str(lease).encode()
        bucket = await self._opened()
        try:
            with suppress(KeyWrongLastSequenceError):
                return Claim.TAKEN, await bucket.update(entry, until, last=0)
            found = await self._nats.jetstream.get_last_msg(f"KV_{self._name}", f"$KV.{self._name}.{entry}")
            if found.data == DONE:
                return Claim.DONE, 0
            now = (await self._nats.ask(f"STREAM.INFO.KV_{self._name}"))["ts"]
            if found.time and found.time + timedelta(seconds=float(found.data or 0)) > datetime.fromisoformat(now):
                return Claim.HELD, 0
            return Claim.TAKEN, await bucket.update(entry, until, last=found.seq)
        except (NotFoundError, KeyWrongLastSequenceError):
            return Claim.HELD, 0  # another worker was faster
        except nats.errors.Error:
            self._bucket = None  # it may have been deleted
            raise

    async def renew(self, key: str, lease: float, token: int) -> int:
        """See `Store.renew`."""
        bucket = await self._opened()
        with suppress(KeyWrongLastSequenceError):  # marked as done meanwhile, or another worker has it
            return await bucket.update(_digest(key), str(lease).encode(), last=token)
        return token

    async def done(self, key: str) -> None:
        """See `Store.done`."""
        try:
            await (await self._opened()).put(_digest(key), DONE)
        except nats.errors.Error:
            self._bucket = None
            raise

    async def release(self, key: str, token: int) -> None:
        """See `Store.release`."""
        with suppress(KeyWrongLastSequenceError):  # it is no longer this worker's
            await (await self._opened()).update(_digest(key), FREE, last=token)

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
        jetstream = self._nats.client.jetstream(prefix=self._nats.settings.js_api_prefix, timeout=TIME_LIMIT)
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
