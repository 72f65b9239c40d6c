"""Letters from a file into the stream, each once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from natsgen.dlq import headers, originals, reading
from natsgen.dlq.archive import Record
from natsgen.dlq.connection import Connection
from natsgen.dlq.headers import Headers
from natsgen.dlq.letters import FAILED_AT, MESSAGE_ID, PAYLOAD, STREAM, WITH_ORIGINAL
from natsgen.dlq.pipeline import Tally, each
from natsgen.dlq.session import Stop
from natsgen.errors import GoneError, LetterError, NatsError


async def import_(
    connection: Connection, stop: Stop, records: Iterable[Record], tally: Tally, progress: Callable[[int], None]
) -> None:
    """Publishes the records; those that the stream has, from before or from an import, count as gone.

    Raises:
        NatsError: there is no stream, or it could not go on; `tally` says how far it came.
        StoppedError: the person stopped it.
    """
    state = await reading.stream_state(connection)
    if state is None:
        raise NatsError(
            f"there is no stream {STREAM} at {connection.server}: a worker makes it when it starts, or make it with "
            f"nats stream add {STREAM} --subjects 'dlq.>,replay.>' --defaults"
        )

    async def import_one(record: Record) -> None:
        await _publish(connection, record)

    await each(records, import_one, tally, stop, number=lambda record: record.line, progress=progress)


def message_id(record: Record) -> str:
    """The same for the same record, so that the stream keeps it once, and for no other."""
    found = hashlib.sha256()
    for part in (record.subject, str(record.id), record.stored.isoformat(), *map(": ".join, record.headers)):
        found.update(part.encode() + b"\n")
    found.update(record.payload or b"")
    return f"import.{found.hexdigest()}"


async def _publish(connection: Connection, record: Record) -> None:
    if await _is_the_same_there(connection, record):
        raise GoneError("it never left")
    identity = message_id(record)
    sent, payload = await _message(connection, record)
    while True:
        found = await connection.publish(record.subject, payload, (*sent, (MESSAGE_ID, identity)))
        if found.stream != STREAM:
            raise NatsError(f"{record.subject} is taken by the stream {found.stream}, and not by {STREAM}")
        if not found.duplicate:
            return
        if await _is_there(connection, found.sequence):
            raise GoneError("it is there already")
        # The stream remembers it, and somebody has removed it since: it is to come back all the same.
        identity = f"{identity}.{found.sequence}"


async def _message(connection: Connection, record: Record) -> tuple[Headers, bytes]:
    """Headers and payload to publish; a payload that does not fit must be with its original message.

    Raises:
        LetterError: it does not fit, and the original is not there.
    """
    sent = tuple((name, value) for name, value in record.headers if not headers.is_of(name, "Nats-", PAYLOAD))
    if not headers.first(sent, FAILED_AT):
        sent = (*sent, (FAILED_AT, record.stored.isoformat()))  # the stream will have a later time
    without = (*sent, (PAYLOAD, WITH_ORIGINAL))
    if _size(without) > connection.max_payload:
        raise LetterError(f"its headers alone are larger than the server takes ({connection.max_payload} bytes)")
    if record.payload is None:
        return without, b""
    if len(record.payload) + _size(sent) <= connection.max_payload:
        return sent, record.payload
    if await originals.original(connection, record.headers) != record.payload:
        raise LetterError("its payload is too large for a letter, and its original is another one on this server")
    return without, b""


def _size(sent: Headers) -> int:
    return headers.size(sent) + _IDENTITY_SIZE


_IDENTITY_SIZE = 256  # bytes that the message id takes at most


async def _is_the_same_there(connection: Connection, record: Record) -> bool:
    """Whether the stream still has the very letter that was exported."""
    try:
        letter = await reading.letter(connection, record.id)
    except LetterError:
        return False
    return (letter.subject, letter.stored) == (record.subject, record.stored)


async def _is_there(connection: Connection, sequence: int) -> bool:
    try:
        await reading.letter(connection, sequence)
    except LetterError:
        return False
    return True
