"""Object stores, for what is too large for a message: `documents = Store("documents")`.

The form is that of every NATS client, `nats object` among them. nats-py's own `put` waits for each part before it sends
the next, and its `get` keeps what comes faster than it is written and waits for ever for a part that is gone.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Literal
from uuid import uuid4

import nats.errors
import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import Header, ObjectStoreConfig, StorageType

from src.infrastructure.handling.publication import Publication, publication_of
from src.infrastructure.nats_client import NatsClient
from src.requests.nats import Nats
from src.requests.nats import nats as service_nats
from src.toolkit.backing import STREAM_MISSING, Backing, checked_name
from src.toolkit.errors import Damaged, InvalidName, ObjectMissing, Refused, Unavailable
from src.toolkit.following import PATIENCE, Following

Source = bytes | Path | BinaryIO | AsyncIterable[bytes]

PART = 128 * 1024  # bytes of one message, as all clients have it
IN_FLIGHT = 16  # parts that are sent before the first is confirmed
PAUSE = 0.25  # seconds before a part is asked for again
DIGEST = "SHA-256="
LONGEST_NAME = 1024  # bytes: the server ends a connection that sends a line of more than 4096 with its subject


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What is known of an object without reading it.

    Attributes:
        name: of the object.
        size: bytes.
        modified: when it was put, in UTC.
        description: for people.
        metadata: further texts by name.
        headers: further texts by name, in the form of headers.
        digest: of its content, `SHA-256=` and base64.
        parts: messages that it is kept in.
    """

    name: str
    size: int
    modified: datetime
    description: str
    metadata: dict[str, str]
    headers: dict[str, str]
    digest: str
    parts: int
    _nuid: str = field(repr=False, default="")


class Store:
    """An object store, made when it is first used (where `STREAM_MODE` allows it); one that is there stays as it is.

    Args:
        name: of the store: letters, digits, `_` and `-`.
        ttl: seconds that every object is kept; without it for good.
        max_bytes: of the whole store; what goes beyond is refused. Without it there is no limit.
        replicas: of the store; without it `STREAM_REPLICAS`.
        storage: `file` or `memory`.
        nats: what it goes over: the service's own connection.
    """

    def __init__(
        self,
        name: str,
        *,
        ttl: float | None = None,
        max_bytes: int | None = None,
        replicas: int | None = None,
        storage: Literal["file", "memory"] = "file",
        nats: Nats = service_nats,
    ) -> None:
        self.name = checked_name("store", name)

        async def make(jetstream: JetStreamContext, default_replicas: int) -> object:
            config = ObjectStoreConfig(
                ttl=ttl, max_bytes=max_bytes or -1, replicas=replicas or default_replicas, storage=StorageType(storage)
            )
            return await jetstream.create_object_store(name, config)

        self._backing = Backing(nats, f"store {name}", f"OBJ_{name}", make)

    async def put(
        self,
        name: str,
        source: Source,
        *,
        description: str = "",
        metadata: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        """Keeps an object; one of this name is replaced, and is there until the new one is whole.

        Args:
            name: any text of up to 1024 bytes.
            source: the content: bytes, the path of a file, a file open for reading bytes, or what gives them one after
                the other. Of anything but bytes no more than a few parts are in memory.
            description: for people.
            metadata: further texts by name.
            headers: further texts by name, in the form of headers.

        Raises:
            OSError: the file cannot be read.
            InvalidName, Missing, Unavailable, Refused: see `src.toolkit.errors`.
        """
        subject = self._about(name)
        async with self._backing.opened() as connection:
            before = await self._found(connection, name)
            nuid = uuid4().hex
            kept: dict[str, Any] = {"name": name, "bucket": self.name, "nuid": nuid}
            on_their_way: deque[Publication] = deque()
            try:
                kept |= await self._send_parts(connection, nuid, source, on_their_way)
                kept |= {"mtime": datetime.now(UTC).isoformat(), "options": {"max_chunk_size": PART}}
                kept |= {"description": description} if description else {}
                kept |= {"metadata": dict(metadata)} if metadata else {}
                kept |= {"headers": {key: [value] for key, value in headers.items()}} if headers else {}
                await self._tell(connection, subject, kept)
            except BaseException:
                await asyncio.shield(self._undo(connection, nuid, on_their_way))
                raise
            if before and before._nuid:
                await self._purge(connection, before._nuid)
        return _info_of(kept, datetime.now(UTC))

    async def get(self, name: str) -> bytes:
        """An object's content.

        Raises:
            ObjectMissing: there is none of this name.
            Damaged: not all of it is there, or not as it was.
            InvalidName, Missing, Unavailable, Refused: see `src.toolkit.errors`.
        """
        content = bytearray()
        async with aclosing(self.parts(name)) as parts:
            async for part in parts:
                content += part
        return bytes(content)

    async def get_to(self, name: str, path: str | os.PathLike[str]) -> ObjectInfo:
        """Writes an object to a file, which is there only when it is whole; until then a file in its place stays.

        Raises:
            OSError: it cannot be written.
            as `get` does.
        """
        path = Path(path)
        info = await self.info(name)
        written = path.with_name(f".{path.name[:100]}.{uuid4().hex}.part")
        try:
            with await asyncio.to_thread(written.open, "xb") as file:
                async with aclosing(self._parts_of(info)) as parts:
                    async for part in parts:
                        await asyncio.to_thread(file.write, part)
                await asyncio.to_thread(_to_disk, file)
            await asyncio.to_thread(written.replace, path)
        except BaseException:
            written.unlink(missing_ok=True)
            raise
        return info

    async def parts(self, name: str) -> AsyncGenerator[bytes, None]:
        """An object's content part by part; only after the last is it known to be whole.

        Raises:
            as `get` does.
        """
        async with aclosing(self._parts_of(await self.info(name))) as parts:
            async for part in parts:
                yield part

    async def info(self, name: str) -> ObjectInfo:
        """What is known of an object.

        Raises:
            ObjectMissing: there is none of this name.
            InvalidName, Missing, Unavailable, Refused: see `src.toolkit.errors`.
        """
        async with self._backing.opened() as connection:
            found = await self._found(connection, name)
        if found is None:
            raise ObjectMissing(f"store {self.name}: no object {name!r}")
        return found

    async def list(self) -> AsyncGenerator[ObjectInfo, None]:
        """All objects, one by one: `async for info in documents.list()`."""
        following = Following(self._backing, f"$O.{self.name}.M.>")
        async with aclosing(following.messages()) as messages:
            async for followed in messages:
                kept = json.loads(followed.message.data)
                if not kept.get("deleted"):
                    yield _info_of(kept, followed.stored)

    async def delete(self, name: str) -> None:
        """Deletes an object; it need not be there.

        Raises:
            InvalidName, Missing, Unavailable, Refused: see `src.toolkit.errors`.
        """
        async with self._backing.opened() as connection:
            found = await self._found(connection, name)
            if found is None:
                return
            kept = {"name": name, "bucket": self.name, "nuid": found._nuid, "size": 0, "chunks": 0, "deleted": True}
            await self._tell(connection, self._about(name), kept)
            await self._purge(connection, found._nuid)

    async def drop(self) -> None:
        """Deletes the whole store."""
        await self._backing.drop()

    async def _send_parts(
        self, connection: NatsClient, nuid: str, source: Source, on_their_way: deque[Publication]
    ) -> dict[str, Any]:
        """Sends the content; returns what there is to tell about it."""
        digest, size, count = sha256(), 0, 0
        async with aclosing(_parts(source)) as parts:
            async for part in parts:
                digest.update(part)
                size += len(part)
                count += 1
                if len(on_their_way) == IN_FLIGHT:
                    await on_their_way[0]
                    on_their_way.popleft()
                # its id lets the stream keep it once when it has to be sent again
                headers = {Header.MSG_ID.value: f"{nuid}.{count}"}
                on_their_way.append(publication_of(connection, f"$O.{self.name}.C.{nuid}", part, headers))
        while on_their_way:
            await on_their_way.popleft()
        encoded = base64.urlsafe_b64encode(digest.digest()).decode()
        return {"size": size, "chunks": count, "digest": DIGEST + encoded}

    async def _parts_of(self, info: ObjectInfo) -> AsyncGenerator[bytes, None]:
        digest, size, sequence = sha256(), 0, 0
        while size < info.size:
            part, sequence = await self._part(info, sequence + 1)
            digest.update(part)
            size += len(part)
            yield part
        if size != info.size or (info.digest and digest.digest() != _digest(info)):
            raise Damaged(f"store {self.name}: {info.name!r} is not what was put there")

    async def _part(self, info: ObjectInfo, sequence: int) -> tuple[bytes, int]:
        """The object's first part from a sequence of the stream on, and its own sequence."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while True:
            try:
                async with self._backing.opened() as connection:
                    # asked of the leader where there are several: another replica may not have all of it yet
                    direct = bool(self._backing.config.allow_direct) and self._backing.config.num_replicas == 1
                    subject = f"$O.{self.name}.C.{info._nuid}"
                    try:
                        found = await connection.jetstream.get_msg(
                            self._backing.stream, sequence, subject, direct=direct, next=True
                        )
                    except nats.js.errors.NotFoundError as error:
                        if error.err_code == STREAM_MISSING:
                            raise
                        raise Damaged(f"store {self.name}: a part of {info.name!r} is gone") from error
                    return found.data or b"", found.seq or sequence
            except Unavailable:
                if asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(PAUSE)

    async def _found(self, connection: NatsClient, name: str) -> ObjectInfo | None:
        try:
            found = await connection.jetstream.get_last_msg(self._backing.stream, self._about(name))
        except nats.js.errors.NotFoundError as error:
            if error.err_code == STREAM_MISSING:
                raise
            return None
        kept = json.loads(found.data or b"{}")
        if kept.get("deleted"):
            return None
        if link := (kept.get("options") or {}).get("link"):
            raise Refused(f"store {self.name}: {name!r} is a link to {link}; open that instead")
        return _info_of(kept, found.time or datetime.now(UTC))

    async def _tell(self, connection: NatsClient, subject: str, kept: dict[str, Any]) -> None:
        await publication_of(connection, subject, json.dumps(kept).encode(), {Header.ROLLUP.value: "sub"})

    async def _undo(self, connection: NatsClient, nuid: str, on_their_way: deque[Publication]) -> None:
        await asyncio.gather(*on_their_way, return_exceptions=True)  # what is on its way would come after the purge
        with suppress(nats.errors.Error):
            await self._purge(connection, nuid)

    async def _purge(self, connection: NatsClient, nuid: str) -> None:
        await connection.jetstream.purge_stream(self._backing.stream, subject=f"$O.{self.name}.C.{nuid}")

    def _about(self, name: str) -> str:
        """The subject that tells of an object.

        Raises:
            InvalidName: nothing can have this name.
        """
        try:
            encoded = name.encode()
        except UnicodeEncodeError:
            encoded = b""
        if not 0 < len(encoded) <= LONGEST_NAME:
            raise InvalidName(f"object {name[:80]!r}: a name takes 1 to {LONGEST_NAME} bytes of text")
        return f"$O.{self.name}.M.{base64.urlsafe_b64encode(encoded).decode()}"


async def _parts(source: Source) -> AsyncGenerator[bytes, None]:
    """The content in messages' sizes."""
    if isinstance(source, bytes | bytearray | memoryview):
        for start in range(0, len(source), PART):
            yield bytes(source[start : start + PART])
    elif isinstance(source, Path):
        with await asyncio.to_thread(source.open, "rb") as file:
            async with aclosing(_read(file)) as parts:
                async for part in parts:
                    yield part
    elif isinstance(source, AsyncIterable):
        async with aclosing(_regrouped(aiter(source))) as parts:
            async for part in parts:
                yield part
    elif hasattr(source, "read"):
        async with aclosing(_read(source)) as parts:
            async for part in parts:
                yield part
    else:
        raise TypeError(f"an object is made of bytes, a Path, a file or an async iterator, not {type(source).__name__}")


async def _read(file: BinaryIO) -> AsyncGenerator[bytes, None]:
    while part := await asyncio.to_thread(file.read, PART):
        if not isinstance(part, bytes):
            raise TypeError("an object is made of bytes: open its file as `rb`")
        yield part


async def _regrouped(pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    buffered = bytearray()
    async for piece in pieces:
        for start in range(0, len(piece), PART):  # a large piece is not copied as a whole
            buffered += piece[start : start + PART]
            if len(buffered) >= PART:
                yield bytes(buffered[:PART])
                del buffered[:PART]
    if buffered:
        yield bytes(buffered)


def _info_of(kept: Mapping[str, Any], modified: datetime) -> ObjectInfo:
    headers = kept.get("headers") or {}
    return ObjectInfo(
        name=kept["name"],
        size=kept.get("size") or 0,
        modified=modified,
        description=kept.get("description") or "",
        metadata=dict(kept.get("metadata") or {}),
        headers={key: value[0] if isinstance(value, list) else value for key, value in headers.items()},
        digest=kept.get("digest") or "",
        parts=kept.get("chunks") or 0,
        _nuid=kept.get("nuid") or "",
    )


def _digest(info: ObjectInfo) -> bytes:
    return base64.urlsafe_b64decode(info.digest.removeprefix(DIGEST))


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
