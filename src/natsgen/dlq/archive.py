"""Exporting dead letters to a file with one JSON object a line, and importing each of them once."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

from natsgen import messages
from natsgen.dlq import headers, reading
from natsgen.dlq.bulk import IN_FLIGHT, Tally, each
from natsgen.dlq.command import Stop
from natsgen.dlq.connection import Connection
from natsgen.dlq.headers import Headers
from natsgen.dlq.letters import FAILED_AT, MESSAGE_ID, PAYLOAD, PREFIX, STREAM, WITH_ORIGINAL, Letter, Summary, as_time
from natsgen.errors import ConflictError, GoneError, InputError, LetterError, NatsError
from natsgen.parts import naming
from natsgen.transaction import fsops

KEYS = ("id", "subject", "stored", "headers", "payload")
_IDENTITY_SIZE = 256  # maximum bytes of the message id
_SUBJECT = re.compile(r"dlq(\.[^\s.*>\x00-\x1f\x7f]+)+")
_SENDABLE = re.compile("[^\r\n\ud800-\udfff]*")  # surrogates cannot be encoded


@dataclass(frozen=True)
class Record:
    """A dead letter in a file.

    Attributes:
        id: its sequence when it was exported.
        headers: all its headers.
        payload: the whole payload, even if it did not fit into the letter; None if the original was gone.
        line: its line in the file, from 1; 0 if it is not from a file.
    """

    id: int
    subject: str
    stored: datetime
    headers: Headers
    payload: bytes | None
    line: int = 0

    def as_line(self) -> bytes:
        """Return the record as a line of ASCII JSON."""
        document = {
            "id": self.id,
            "subject": self.subject,
            "stored": self.stored.isoformat(),
            "headers": headers.by_name(self.headers),
            "payload": None if self.payload is None else base64.b64encode(self.payload).decode(),
        }
        return json.dumps(document).encode() + b"\n"


def records(file: BinaryIO, name: str) -> Iterator[Record]:
    """Yield the records in a file; empty lines are skipped.

    Args:
        file: read from its current position.
        name: the file's name in messages.

    Raises:
        InputError: a line is not a valid record; the message has its number.
    """
    for number, line in enumerate(file, start=1):
        if line.strip():
            try:
                yield _record(line, number)
            except InputError as error:
                raise InputError(f"{name}, line {number}: {error}") from error


def _record(line: bytes, number: int) -> Record:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError("invalid JSON; use a file from natsgen dlq export") from error
    if not isinstance(document, dict) or sorted(document) != sorted(KEYS):
        raise InputError(f"invalid record: use an object with exactly the keys {messages.join_names(KEYS)}")
    id, subject, sent, payload = (document[key] for key in ("id", "subject", "headers", "payload"))
    _need(type(id) is int and id >= 1, "invalid id: use a whole number from 1")
    _need(
        isinstance(subject, str) and len(subject) <= naming.SUBJECT_MAX_LENGTH and _SUBJECT.fullmatch(subject),
        f"invalid subject: use one that begins with {PREFIX}, such as dlq.billing.order_created",
    )
    _need(
        isinstance(sent, dict) and all(isinstance(values, list) for values in sent.values()),
        "invalid headers: use an object with a list of values for each name",
    )
    pairs = tuple((name, one) for name, values in sent.items() for one in values)
    for name, one in pairs:
        _need(headers.NAME.fullmatch(name), f"invalid header name {messages.quote(name)}")
        is_sendable = isinstance(one, str) and _SENDABLE.fullmatch(one)
        _need(is_sendable, f"invalid value of the header {messages.quote(name)}: use text without line breaks")
    try:
        stored = as_time(document["stored"])
    except (TypeError, ValueError) as error:
        raise InputError("invalid stored: use a time such as 2026-03-01T12:00:00+00:00") from error
    try:
        content = None if payload is None else base64.b64decode(payload, validate=True)
    except (TypeError, ValueError) as error:
        raise InputError("invalid payload: use base64 or null") from error
    return Record(id, subject, stored, pairs, content, number)


def _need(holds: object, problem: str) -> None:
    if not holds:
        raise InputError(problem)


_PRIVATE = 0o600  # payloads may be confidential


@contextmanager
def whole_file(path: Path) -> Iterator[Callable[[bytes], object]]:
    """Provide a function that writes to a new file; the file appears when the block ends without an error.

    Raises:
        ConflictError: the path exists; an older export may contain the only copy of its letters.
        OSError: the file cannot be written.
    """
    _refuse_existing(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error  # the name that the user gave
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file.write
            file.flush()
            os.fsync(file.fileno())
        _refuse_existing(path)
        fsops.move(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _refuse_existing(path: Path) -> None:
    if os.path.lexists(path):
        raise ConflictError(f"{path} already exists; choose another file")


async def export(
    connection: Connection,
    letters: Sequence[Summary],
    tally: Tally,
    write: Callable[[bytes], object],
    progress: Callable[[int, int], None],
) -> None:
    """Write the letters as lines, in their order.

    Args:
        connection: the connection to the server.
        letters: the letters to export.
        tally: updated; a letter whose payload is missing is written without it, and counts as failed.
        write: receives the lines of some letters.
        progress: receives the number of settled letters and the total.
    """
    for start in range(0, len(letters), IN_FLIGHT):
        some = letters[start : start + IN_FLIGHT]
        lines = await asyncio.gather(*(_line(connection, one.id, tally) for one in some))
        write(b"".join(lines))
        progress(tally.settled, tally.total)


async def _line(connection: Connection, number: int, tally: Tally) -> bytes:
    try:
        found = await reading.letter_with_payload(connection, number)
    except GoneError:
        tally.gone += 1
        return b""
    if found.payload is None:
        tally.failed[number] = found.problem
    else:
        tally.done += 1
    letter = found.letter
    return Record(letter.id, letter.subject, letter.stored, letter.headers, found.payload).as_line()


async def import_(
    connection: Connection, stop: Stop, records: Iterable[Record], tally: Tally, progress: Callable[[int, int], None]
) -> None:
    """Publish the records; those that the stream already has count as gone.

    Raises:
        NatsError: the stream does not exist, or an error stopped the import; `tally` has its progress.
        StoppedError: the user stopped it.
    """
    if await reading.last_sequence(connection) is None:
        raise NatsError(
            f"no stream {STREAM} at {connection.server}: start a worker, which creates it, or run nats stream add "
            f"{STREAM} --subjects 'dlq.>,replay.>' --defaults"
        )
    publish = partial(_publish, connection)
    await each(records, publish, tally, stop, number=lambda record: record.line, progress=progress)


def message_id(record: Record) -> str:
    """Return an ID that is the same for equal records only, so that the stream stores each record once."""
    found = hashlib.sha256()
    for part in (record.subject, str(record.id), record.stored.isoformat(), *map(": ".join, record.headers)):
        found.update(part.encode() + b"\n")
    found.update(record.payload or b"")
    return f"import.{found.hexdigest()}"


async def _publish(connection: Connection, record: Record) -> None:
    same = await _find(connection, record.id)
    if same and (same.subject, same.stored) == (record.subject, record.stored):
        raise GoneError("the stream still has it")
    identity = message_id(record)
    sent, payload = await _message(connection, record)
    while True:
        found = await connection.publish(record.subject, payload, (*sent, (MESSAGE_ID, identity)))
        if found.stream != STREAM:
            raise NatsError(f"{record.subject} is captured by the stream {found.stream}, not by {STREAM}")
        if not found.duplicate:
            return
        if await _find(connection, found.sequence):
            raise GoneError("the stream already has it")
        # The stream remembers the ID, but the message has been removed since: publish it with another ID.
        identity = f"{identity}.{found.sequence}"


async def _message(connection: Connection, record: Record) -> tuple[Headers, bytes]:
    """Return headers and payload to publish; a payload that does not fit stays with its original message.

    Raises:
        LetterError: the payload does not fit, and this server does not have the original.
    """
    sent = tuple((name, value) for name, value in record.headers if not headers.is_of(name, "Nats-", PAYLOAD))
    if not headers.first(sent, FAILED_AT):
        sent = (*sent, (FAILED_AT, record.stored.isoformat()))  # the stream will record a later time
    without = (*sent, (PAYLOAD, WITH_ORIGINAL))
    if headers.size(without) + _IDENTITY_SIZE > connection.max_payload:
        raise LetterError(f"its headers alone exceed the server's maximum payload of {connection.max_payload} bytes")
    if record.payload is None:
        return without, b""
    if len(record.payload) + headers.size(sent) + _IDENTITY_SIZE <= connection.max_payload:
        return sent, record.payload
    if await reading.original(connection, record.headers) != record.payload:
        raise LetterError("its payload is too large for a letter, and this server does not have the original message")
    return without, b""


async def _find(connection: Connection, sequence: int) -> Letter | None:
    """Return the letter with a sequence; None if the stream has none."""
    try:
        return await reading.letter(connection, sequence)
    except LetterError:
        return None
