"""Object stores, for content that is too large for a message: `documents = Store("documents")`.

The format is that of every NATS client, also of `nats object`. nats-py's `put` waits for the confirmation of each part
before it sends the next; its `get` keeps unread parts in memory, and waits for ever for a part that is missing.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import nats.errors
from nats.js.api import Header, ObjectStoreConfig

from src.infrastructure.nats_client import NatsClient
from src.infrastructure.publishing import Publication, published_over
from src.toolkit.backing import BackingStream
from src.toolkit.errors import Damaged, InvalidName, ObjectMissing, Refused, ToolkitError
from src.toolkit.object_content import PART, ObjectInfo, Source, parts_of
from src.toolkit.ordered_consumer import OrderedConsumer

IN_FLIGHT = 16  # parts that are sent before the first is confirmed
READ_AHEAD = 64  # parts that are requested ahead
DIGEST = "SHA-256="
LONGEST_NAME = 1024  # bytes: the server closes a connection that sends a line of more than 4096 with its subject


class Store:
    """An object store. It is created at first use (if `STREAM_MODE` allows it); an existing one stays as it is.

    The methods raise `InvalidName`, `Missing`, `Unavailable` and `Refused` of `src.toolkit.errors`.

    Args:
        name: letters, digits, `_` and `-`.
        config: fields of nats-py's `ObjectStoreConfig`: `ttl`, the seconds that every object is kept; `max_bytes`,
            beyond which writes are refused; `storage="memory"`; `replicas`, by default `STREAM_REPLICAS`; and so on.
    """

    def __init__(self, name: str, **config: Any) -> None:
        self.name = name
        self._backing = BackingStream(
            "store",
            name,
            f"OBJ_{name}",
            lambda jetstream, replicas: jetstream.create_object_store(
                name, ObjectStoreConfig(**{"replicas": replicas, **config})
            ),
        )

    async def put(
        self,
        name: str,
        source: Source,
        *,
        description: str = "",
        metadata: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        """Store an object. It replaces one of the same name, which stays until the new one is complete.

        Args:
            name: any text of up to 1024 bytes.
            source: the content: bytes, the path of a file, a file open for reading bytes, or an asynchronous iterable
                of bytes. Except for bytes, only a few parts at a time are in memory.
            description: for people.
            metadata: further texts by name.
            headers: further texts by name, in the form of headers.

        Raises:
            OSError: the file cannot be read.
        """
        if isinstance(source, Path):
            with await asyncio.to_thread(source.open, "rb") as file:
                return await self.put(name, file, description=description, metadata=metadata, headers=headers)
        subject, before, nuid = self._info_subject(name), await self._find(name), uuid4().hex
        in_flight: deque[Publication] = deque()
        async with self._backing.opened() as connection:
            try:
                content = await self._send_parts(connection, nuid, source, in_flight)
                info = ObjectInfo(
                    name=name,
                    bucket=self.name,
                    nuid=nuid,
                    modified=datetime.now(UTC),
                    description=description,
                    metadata=dict(metadata or {}),
                    headers=dict(headers or {}),
                    options={"max_chunk_size": PART},
                    **content,
                )
                in_flight.append(_published(connection, subject, info))
                await in_flight[-1]
            except BaseException as error:
                complete = await asyncio.shield(self._undo(connection, name, nuid, in_flight))
                if not complete or not isinstance(error, Exception):
                    raise
            if before:
                await self._purge(connection, before.nuid)
        return info

    async def get(self, name: str) -> bytes:
        """Return an object's content.

        Raises:
            ObjectMissing: there is no object of this name.
            Damaged: the content is incomplete or changed.
        """
        return b"".join([part async for part in self.parts(name)])

    async def get_to(self, name: str, path: str | os.PathLike[str]) -> ObjectInfo:
        """Write an object to a file. Until it is complete, an existing file stays in its place.

        Raises:
            OSError: the file cannot be written.
            ObjectMissing, Damaged: as `get` does.
        """
        path, info = Path(path), await self.info(name)
        unfinished = path.with_name(f".{path.name[:100]}.{uuid4().hex}.part")
        try:
            with await asyncio.to_thread(unfinished.open, "xb") as file:
                async for part in self._parts_of(info):
                    await asyncio.to_thread(file.write, part)
                await asyncio.to_thread(file.flush)
                await asyncio.to_thread(os.fsync, file.fileno())
            await asyncio.to_thread(unfinished.replace, path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        return info

    async def parts(self, name: str) -> AsyncGenerator[bytes, None]:
        """Yield an object's content part by part. It is known to be complete only after the last. Raises as `get`."""
        async for part in self._parts_of(await self.info(name)):
            yield part

    async def info(self, name: str) -> ObjectInfo:
        """Return an object's size, digest and metadata.

        Raises:
            ObjectMissing: there is no object of this name.
        """
        if (found := await self._find(name)) is None:
            raise ObjectMissing(f"store {self.name}: no object {name!r}")
        return found

    async def list(self) -> AsyncGenerator[ObjectInfo, None]:
        """Yield all objects: `async for info in documents.list()`."""
        consumer = OrderedConsumer(self._backing, f"$O.{self.name}.M.>")
        async with aclosing(consumer.messages()) as messages:
            async for message in messages:
                if not (info := ObjectInfo.stored_in(message)).deleted:
                    yield info

    async def delete(self, name: str) -> None:
        """Delete an object, which need not exist."""
        if (found := await self._find(name)) is None:
            return
        now = datetime.now(UTC)
        note = ObjectInfo(name=name, bucket=self.name, nuid=found.nuid, size=0, parts=0, modified=now, deleted=True)
        async with self._backing.opened() as connection:
            await _published(connection, self._info_subject(name), note)
            await self._purge(connection, found.nuid)

    async def drop(self) -> None:
        """Delete the whole store."""
        await self._backing.delete()

    async def _send_parts(
        self, connection: NatsClient, nuid: str, source: Source, in_flight: deque[Publication]
    ) -> dict[str, Any]:
        digest, size, count = sha256(), 0, 0
        async with aclosing(parts_of(source)) as parts:
            async for part in parts:
                digest.update(part)
                size, count = size + len(part), count + 1
                if len(in_flight) == IN_FLIGHT:
                    await in_flight[0]
                    in_flight.popleft()
                # The id lets the stream keep the part once if it is sent again.
                subject = f"$O.{self.name}.C.{nuid}"
                in_flight.append(published_over(connection, subject, part, message_id=f"{nuid}.{count}"))
        while in_flight:
            await in_flight.popleft()
        return {"size": size, "parts": count, "digest": DIGEST + base64.urlsafe_b64encode(digest.digest()).decode()}

    async def _parts_of(self, info: ObjectInfo) -> AsyncGenerator[bytes, None]:
        digest, size = sha256(), 0
        consumer = OrderedConsumer(self._backing, f"$O.{self.name}.C.{info.nuid}", latest=False, prefetch=READ_AHEAD)
        async with aclosing(consumer.messages()) as messages:
            async for message in messages:
                data = message.data or b""
                digest.update(data)
                size += len(data)
                yield data
        if size < info.size:
            raise Damaged(f"store {self.name}: a part of {info.name!r} is gone")
        expected = base64.urlsafe_b64decode(info.digest.removeprefix(DIGEST))
        if size > info.size or (expected and digest.digest() != expected):
            raise Damaged(f"store {self.name}: {info.name!r} is not what was put there")

    async def _find(self, name: str) -> ObjectInfo | None:
        if (found := await self._backing.read(self._info_subject(name))) is None:
            return None
        info = ObjectInfo.stored_in(found)
        if link := info.options.get("link"):
            raise Refused(f"store {self.name}: {name!r} is a link to {link}; open that instead")
        return None if info.deleted else info

    async def _undo(self, connection: NatsClient, name: str, nuid: str, in_flight: deque[Publication]) -> bool:
        """Remove the parts of a failed `put`, and return False; or return True if only its confirmation was lost."""
        await asyncio.gather(*in_flight, return_exceptions=True)  # what is still on its way would follow the purge
        with suppress(nats.errors.Error, ToolkitError):  # unknown parts stay: they may be an object's
            found = await self._find(name)
            if found is not None and found.nuid == nuid:
                return True
            await self._purge(connection, nuid)
        return False

    async def _purge(self, connection: NatsClient, nuid: str) -> None:
        await connection.jetstream.purge_stream(self._backing.stream, subject=f"$O.{self.name}.C.{nuid}")

    def _info_subject(self, name: str) -> str:
        try:
            encoded = name.encode()
        except UnicodeEncodeError:
            encoded = b""
        if not 0 < len(encoded) <= LONGEST_NAME:
            raise InvalidName(f"object {name[:80]!r}: a name takes 1 to {LONGEST_NAME} bytes of text")
        return f"$O.{self.name}.M.{base64.urlsafe_b64encode(encoded).decode()}"


def _published(connection: NatsClient, subject: str, info: ObjectInfo) -> Publication:
    data = info.model_dump_json(by_alias=True, exclude_unset=True).encode()
    return published_over(connection, subject, data, headers={Header.ROLLUP.value: "sub"})
