"""Payloads of dead letters that do not fit into one message beside the reasons, in the object store bucket `dlq`."""

from __future__ import annotations

from contextlib import suppress

from nats.js.api import ObjectStoreConfig
from nats.js.errors import BucketNotFoundError, ObjectNotFoundError
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
        """A payload; None where there is none.

        Raises:
            nats.errors.Error: the server does not answer.
        """
        try:
            return (await (await self._nats.jetstream.object_store(BUCKET)).get(name)).data
        except (BucketNotFoundError, ObjectNotFoundError):
            return None

    async def delete(self, name: str) -> None:
        """Removes a payload.

        Raises:
            nats.errors.Error: the server does not answer.
        """
        with suppress(BucketNotFoundError, ObjectNotFoundError):
            await (await self._nats.jetstream.object_store(BUCKET)).delete(name)

    async def _bucket(self) -> ObjectStore:
        try:
            return await self._nats.jetstream.object_store(BUCKET)
        except BucketNotFoundError:
            if self._settings.STREAM_MODE != "create":
                raise
            config = ObjectStoreConfig(replicas=self._settings.STREAM_REPLICAS)
            return await self._nats.jetstream.create_object_store(BUCKET, config)
