"""Object stores, for content too large for a message: `documents = Store("documents")`."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

from nats.js.api import ObjectInfo
from nats.js.errors import NotFoundError
from nats.js.object_store import ObjectStore

from src.toolkit.connection import connected
from src.toolkit.ordered_consumer import OrderedConsumer

READ_AHEAD = 64  # parts that are requested ahead


class Damaged(Exception):
    """Raised when an object is incomplete, or does not match its stored digest."""


class Store:
    """An object store, declared once. `open` returns nats-py's `ObjectStore`, which puts, lists and deletes objects.

    Read with `get`, `get_to` and `parts`: nats-py's own `get` returns a part of an object if the connection is lost.

    Args:
        name: letters, digits, `_` and `-`.
        config: fields of nats-py's `ObjectStoreConfig` to create it with: `ttl`, the seconds to keep every object;
            `max_bytes`; `storage="memory"`; `replicas`, by default `STREAM_REPLICAS`; and so on.
    """

    def __init__(self, name: str, **config: Any) -> None:
        self.name = name
        self._config = config

    async def open(self) -> ObjectStore:
        """Return the store on the current connection; open it again for each piece of work.

        A missing store is created if `STREAM_MODE` allows it; an existing one is not changed.

        Raises:
            RuntimeError: no worker runs in this process.
            NotConnected: there is no connection in time.
            nats.errors.Error: it is missing and may not be created, or the server does not answer or denies access.
        """
        connection = await connected(f"store {self.name}")
        jetstream, settings = connection.jetstream, connection.settings
        try:
            return await jetstream.object_store(self.name)
        except NotFoundError:
            if settings.STREAM_MODE != "create":
                raise
            config = {"replicas": settings.STREAM_REPLICAS, **self._config}
            return await jetstream.create_object_store(self.name, **config)

    async def get(self, name: str) -> bytes:
        """Return the content of an object.

        Raises:
            nats.js.errors.ObjectNotFoundError: the object does not exist.
            Damaged: the content is incomplete or does not match its digest.
            TimeoutError: the server stopped sending.
        """
        return b"".join([part async for part in self.parts(name)])

    async def get_to(self, name: str, path: str | os.PathLike[str]) -> None:
        """Write an object to a file, which is replaced only when the object is complete. Raises as `get`."""
        target = Path(path)
        unfinished = target.with_name(f".{target.name[:100]}.{uuid4().hex}.part")
        try:
            with await asyncio.to_thread(unfinished.open, "xb") as file:
                async with aclosing(self.parts(name)) as parts:
                    async for part in parts:
                        await asyncio.to_thread(file.write, part)
                await asyncio.to_thread(file.flush)
                await asyncio.to_thread(os.fsync, file.fileno())
            await asyncio.to_thread(unfinished.replace, target)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise

    async def parts(self, name: str) -> AsyncGenerator[bytes, None]:
        """Yield an object's content part by part; only the end proves that it is complete. Raises as `get`."""
        info: ObjectInfo = await (await self.open()).get_info(name)
        subject, digest, size = f"$O.{self.name}.C.{info.nuid}", sha256(), 0
        connection = await connected(subject)
        consumer = OrderedConsumer(connection, f"OBJ_{self.name}", subject, latest=False, prefetch=READ_AHEAD)
        async with aclosing(consumer.messages()) as messages:
            async for message in messages:
                digest.update(message.data)
                size += len(message.data)
                yield message.data
        expected = base64.urlsafe_b64decode((info.digest or "").partition("=")[2])
        if size != info.size or (expected and digest.digest() != expected):
            raise Damaged(f"store {self.name}: {name!r} is incomplete or does not match its digest")
