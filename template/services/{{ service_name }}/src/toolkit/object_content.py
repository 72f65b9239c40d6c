"""What a store keeps of an object: its description, and its content in parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from nats.js.api import RawStreamMsg
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer
from pydantic_core import from_json

Source = bytes | Path | BinaryIO | AsyncIterable[bytes]

PART = 128 * 1024  # bytes of one message, as in all clients


def _with_lists(headers: dict[str, str]) -> dict[str, list[str]]:
    return {name: [value] for name, value in headers.items()}


def _without_lists(headers: Any) -> dict[str, str]:
    return {name: value[0] if isinstance(value, list) else value for name, value in headers.items()}


class ObjectInfo(BaseModel):
    """An object without its content, in the JSON that all NATS clients use.

    Attributes:
        name: its name.
        size: bytes of its content.
        modified: when it was put, in UTC.
        description: for people.
        metadata: further texts by name.
        headers: further texts by name, in the form of headers.
        digest: of its content, `SHA-256=` and base64.
        parts: the number of messages that hold the content.
        bucket: the store.
        nuid: part of the subject of its parts.
        deleted: whether this is the note that it was deleted.
        options: `max_chunk_size`, or the `link` to another object.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    name: str
    bucket: str
    nuid: str
    size: int = 0
    parts: int = Field(default=0, validation_alias="chunks", serialization_alias="chunks")
    digest: str = ""
    modified: datetime = Field(validation_alias="mtime", serialization_alias="mtime")
    description: str = ""
    metadata: dict[str, str] = {}
    headers: Annotated[dict[str, str], BeforeValidator(_without_lists), PlainSerializer(_with_lists)] = {}
    deleted: bool = False
    options: dict[str, Any] = {}

    @classmethod
    def stored_in(cls, message: RawStreamMsg) -> ObjectInfo:
        """Return what a message of the store says."""
        stored = {name: value for name, value in from_json(message.data or b"{}").items() if value is not None}
        return cls.model_validate(stored | {"mtime": message.time})


async def parts_of(source: Source) -> AsyncGenerator[bytes, None]:
    """Yield the content in parts of equal size."""
    buffered = bytearray()
    async with aclosing(_pieces(source)) as pieces:
        async for piece in pieces:
            if not isinstance(piece, bytes | bytearray | memoryview):
                raise TypeError("an object is made of bytes: open its file as `rb`")
            for start in range(0, len(piece), PART):  # a large piece is not copied as a whole
                buffered += piece[start : start + PART]
                if len(buffered) >= PART:
                    yield bytes(buffered[:PART])
                    del buffered[:PART]
    if buffered:
        yield bytes(buffered)


async def _pieces(source: Any) -> AsyncGenerator[Any, None]:
    if isinstance(source, bytes | bytearray | memoryview):
        yield source
    elif isinstance(source, AsyncIterable):
        async for piece in source:
            yield piece
    elif hasattr(source, "read"):
        while piece := await asyncio.to_thread(source.read, PART):
            yield piece
    else:
        raise TypeError(f"an object is made of bytes, a Path, a file or an async iterator, not {type(source).__name__}")
