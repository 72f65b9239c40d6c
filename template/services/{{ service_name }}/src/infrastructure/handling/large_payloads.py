"""Payloads of dead letters that do not fit into one message beside the reasons, in the object store bucket `dlq`."""

from __future__ import annotations

from contextlib import suppress

from nats.js.api import ObjectStoreConfig
from nats.js.errors import BucketNotFoundError, NotFoundError, ObjectNotFoundError
from nats.js.object_store import ObjectStore

from src.config import Settings
from src.infrastructure.nats_client import NatsClient

BUCKET = "dlq"


class LargePayloads:
    """Keeps whole payloads by name."""

    def __init__(self, nats: NatsClient, settings: Settings) -> None:
        self._nats = nats
        self._settings = settings

    async def put(self, name: str, payload: bytes) -> None:
        """Keeps a payload; one that is there under this name is replaced.

        Raises:
            nats.errors.Error: the server does not answer, or has no such bucket and may not be given one.
        """
        await (await self._bucket()).put(name, payload)

    async def get(self, name: str) -> bytes | None:
        """A payload; None where there is none, or not all of it.

        Raises:
            nats.errors.Error: the server does not answer.
        """
        try:
            info = await (await self._nats.jetstream.object_store(BUCKET)).get_info(name)
            return await self._joined(f"$O.{BUCKET}.C.{info.nuid}", info.size or 0)
        except NotFoundError:
            return None

    async def delete(self, name: str) -> None:
        """Removes a payload.

        Raises:
            nats.errors.Error: the server does not answer.
        """
        with suppress(BucketNotFoundError, ObjectNotFoundError):
            await (await self._nats.jetstream.object_store(BUCKET)).delete(name)

    async def _joined(self, subject: str, size: int) -> bytes:
        """The parts of an object, asked for one by one: nats-py's own `get` waits for ever for one that is gone."""
        payload, sequence = bytearray(), 0
        while len(payload) < size:
            part = await self._nats.jetstream.get_msg(f"OBJ_{BUCKET}", sequence + 1, subject, next=True)
            payload += part.data or b""
            sequence = part.seq or sequence + 1
        return bytes(payload)

    async def _bucket(self) -> ObjectStore:
        try:
            return await self._nats.jetstream.object_store(BUCKET)
        except BucketNotFoundError:
            if self._settings.STREAM_MODE != "create":
                raise
            config = ObjectStoreConfig(replicas=self._settings.STREAM_REPLICAS)
            return await self._nats.jetstream.create_object_store(BUCKET, config)
