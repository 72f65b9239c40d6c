"""A key-value bucket that the worker keeps something of its own in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256

import nats.errors
from nats.aio.client import Client
from nats.js.errors import BucketNotFoundError, KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from src.config import Settings
from src.infrastructure.nats_client import NatsClient


def key_for(text: str) -> str:
    """A key for any text: a digest, since a key may hold few characters."""
    return sha256(text.encode()).hexdigest()


class Bucket:
    """Opened when it is first used, and again after a failure: it may have been deleted, or the server be another.

    Args:
        nats: the connection.
        settings: whether it may be made where it is missing (`STREAM_MODE`), and with how many replicas.
        name: of the bucket.
        ttl: seconds that it keeps an entry, when it has to be made.
    """

    LIMIT = 2.0  # seconds for one request: a server that is finding a leader never answers it, and soon the next

    def __init__(self, nats: NatsClient, settings: Settings, name: str, ttl: float) -> None:
        self.name = name
        self._nats = nats
        self._settings = settings
        self._ttl = ttl
        self._store: KeyValue | None = None
        self._client: Client | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[KeyValue]:
        """The bucket, to be used inside.

        Raises:
            BucketNotFoundError: it is missing and may not be made.
            nats.errors.Error: the server does not answer, or refuses.
        """
        if self._store is None or self._client is not self._nats.client:
            self._client = self._nats.client
            self._store = await self._open()
        try:
            yield self._store
        except (KeyNotFoundError, KeyWrongLastSequenceError):
            raise
        except nats.errors.Error:
            self._store = None
            raise

    async def _open(self) -> KeyValue:
        jetstream = self._nats.client.jetstream(timeout=self.LIMIT)
        try:
            return await jetstream.key_value(self.name)
        except BucketNotFoundError:
            if self._settings.STREAM_MODE != "create":
                raise
            replicas = self._settings.STREAM_REPLICAS
            return await jetstream.create_key_value(bucket=self.name, ttl=self._ttl, history=1, replicas=replicas)
