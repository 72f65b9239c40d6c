"""Counts how often a handler was started with a message, so that only real attempts use up `max_attempts`.

The server's own count also grows when a message was merely fetched: by a worker that was stopped before it came to
it, or that died of the message in front of it. A first delivery needs no look-up; from the second on, every start is
written to a NATS key-value bucket before the handler runs. So a message that kills its worker is recognised, and its
neighbours are not taken for it.
"""

from __future__ import annotations

import hashlib

from nats.js.errors import BucketNotFoundError, KeyNotFoundError
from nats.js.kv import KeyValue

from src.config import Settings
from src.infrastructure.jetstream_api import open_bucket
from src.infrastructure.message import Message
from src.infrastructure.nats_client import NatsClient

KEPT = 7 * 24 * 3600.0  # seconds that a count is kept after the latest attempt


class Attempts:
    """The attempts of one service's handlers, in the bucket `attempts_<service>`.

    Where `STREAM_MODE` does not allow to make the bucket and nobody has, the server's count is all there is.
    """

    def __init__(self, nats: NatsClient, settings: Settings) -> None:
        self._nats = nats
        self._settings = settings
        self._bucket = f"attempts_{settings.SERVICE_NAME}"

    async def start(self, message: Message, most: int) -> int:
        """Notes that the handler is about to start, and returns which attempt this is, 1 for the first.

        Args:
            message: what it is started with.
            most: how many attempts there may be; one beyond that is returned and not noted.

        Raises:
            nats.errors.Error: the bucket cannot be reached.
        """
        if message.deliveries == 1:
            return 1
        if (store := await self._open()) is None:
            return message.deliveries
        attempt = await self._noted(store, message) + 1
        if attempt <= most:
            await store.put(_key(message), str(attempt).encode())
        return attempt

    async def failed(self, message: Message) -> None:
        """Notes a failed first attempt, the only one that `start` does not note.

        Raises:
            nats.errors.Error: the bucket cannot be reached.
        """
        if message.deliveries == 1 and (store := await self._open()) is not None:
            await store.put(_key(message), b"1")

    async def _noted(self, store: KeyValue, message: Message) -> int:
        try:
            return int((await store.get(_key(message))).value or 0)
        except KeyNotFoundError:
            return 0

    async def _open(self) -> KeyValue | None:
        """The bucket. Opened for each use: it may have been deleted, or be on another server by now."""
        if self._settings.STREAM_MODE == "create":
            return await open_bucket(self._nats.jetstream, self._bucket, KEPT, self._settings.STREAM_REPLICAS)
        try:
            return await self._nats.jetstream.key_value(self._bucket)
        except BucketNotFoundError:
            return None


def _key(message: Message) -> str:
    """A message's identity, which a stream made anew under the same name does not repeat."""
    identity = f"{message.handler}:{message.stream}:{message.sequence}:{message.stored_at.timestamp()}"
    return hashlib.sha256(identity.encode()).hexdigest()
