"""Reading dead letters: summaries of many quickly, or one in full, with its payload from where it is stored."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from nats.aio.msg import Msg

from natsgen.dlq import headers
from natsgen.dlq.connection import API, REQUEST_LIMIT, ApiError, Connection
from natsgen.dlq.headers import Headers
from natsgen.dlq.letters import PREFIX, STREAM, Letter, Summary, as_time, summary_of
from natsgen.errors import GoneError, LetterError, NatsError

BATCH = 1_000  # letters in one request
MAX_EMPTY = 2  # empty responses in a row, after which the counted letters are assumed to be gone
ABANDONED_AFTER = 30  # seconds until the server removes the consumer of a killed command
_NO_MORE = ("404", "408")
_NANOSECONDS = 1_000_000_000


async def last_sequence(connection: Connection) -> int | None:
    """Return the sequence of the stream's newest message; None if the stream does not exist."""
    try:
        return int((await connection.api(f"STREAM.INFO.{STREAM}"))["state"]["last_seq"])
    except ApiError as error:
        if error.is_not_found:
            return None
        raise


async def summaries(
    connection: Connection, subject: str, last: int, progress: Callable[[int, int], None]
) -> AsyncIterator[list[Summary]]:
    """Yield the letters on `subject` up to the sequence `last`, oldest first, in batches.

    A temporary consumer sends only the headers. `progress` receives the number of letters read and the total.
    """
    name, total = await _consumer(connection, subject)
    read, pending = 0, total
    arrived: list[Msg] = []
    arrival = asyncio.Event()

    async def receive(message: Msg) -> None:
        arrived.append(message)
        arrival.set()

    inbox = connection.client.new_inbox()
    subscription = await connection.client.subscribe(inbox, cb=receive)
    try:
        empty = 0
        while pending and empty < MAX_EMPTY:
            # One request at a time: the server rejects a second one before it has answered the first.
            await connection.client.publish(
                f"{API}.CONSUMER.MSG.NEXT.{STREAM}.{name}", b'{"batch": %d, "no_wait": true}' % BATCH, reply=inbox
            )
            received, is_over = 0, False
            while received < BATCH and not is_over:
                await _await_arrival(arrival, connection)
                batch, arrived[:] = arrived[:], []
                # A status arrives on the inbox, a letter on its own subject; headers cannot distinguish them.
                letters = [message for message in batch if message.subject != inbox]
                is_over = _is_end([message for message in batch if message.subject == inbox])
                if letters:
                    received += len(letters)
                    read += len(letters)
                    progress(read, total)
                    pending = letters[-1].metadata.num_pending
                    found = [_summary(message) for message in letters]
                    yield [letter for letter in found if letter.id <= last]
                    if found[-1].id >= last:
                        return
            empty = 0 if received else empty + 1
    finally:
        await subscription.unsubscribe()
        await connection.client.publish(f"{API}.CONSUMER.DELETE.{STREAM}.{name}")


async def letter(connection: Connection, number: int) -> Letter:
    """Return one letter in full.

    Raises:
        GoneError: the stream has no message with that ID.
        LetterError: the message with that ID is not a dead letter.
    """
    try:
        found = await message(connection, STREAM, number)
    except GoneError as error:
        raise GoneError(f"no dead letter {number} in stream {STREAM}") from error
    if not found.subject.startswith(PREFIX):
        raise LetterError(f"message {number} of stream {STREAM} is not a dead letter (subject {found.subject})")
    return found


async def message(connection: Connection, stream: str, number: int) -> Letter:
    """Return one message of any stream in full.

    Raises:
        GoneError: the message or the stream does not exist.
    """
    try:
        document = await connection.api(f"STREAM.MSG.GET.{stream}", {"seq": number})
    except ApiError as error:
        if error.is_not_found:
            raise GoneError(f"no message {number} in stream {stream}") from error
        raise
    message = document["message"]
    return Letter(
        id=number,
        subject=message["subject"],
        stored=as_time(message["time"]),
        headers=headers.parse(base64.b64decode(message.get("hdrs", ""))),
        payload=base64.b64decode(message.get("data", "")),
    )


async def _consumer(connection: Connection, subject: str) -> tuple[str, int]:
    """Create a consumer; return its name and its number of messages."""
    name = f"natsgen-{secrets.token_hex(8)}"
    configuration: dict[str, Any] = {
        "name": name,
        "description": "natsgen dlq reads",
        "filter_subject": subject,
        "deliver_policy": "all",
        "ack_policy": "none",
        "replay_policy": "instant",
        "headers_only": True,
        "mem_storage": True,
        "num_replicas": 1,
        "inactive_threshold": ABANDONED_AFTER * _NANOSECONDS,
    }
    created = await connection.api(
        f"CONSUMER.CREATE.{STREAM}.{name}.{subject}", {"stream_name": STREAM, "config": configuration}
    )
    return name, int(created["num_pending"])


def _is_end(statuses: list[Msg]) -> bool:
    """Return whether the server ended a request. Raises `NatsError` for any other status."""
    for message in statuses:
        found = message.headers or {}
        if found.get("Status") not in _NO_MORE:
            raise NatsError(f"reading was interrupted: {found.get('Description', 'no reason given')}; try again")
    return bool(statuses)


async def _await_arrival(arrival: asyncio.Event, connection: Connection) -> None:
    try:
        async with asyncio.timeout(REQUEST_LIMIT):
            await arrival.wait()
    except TimeoutError as error:
        raise NatsError(f"NATS at {connection.server} sent no dead letters for {REQUEST_LIMIT:g} s") from error
    arrival.clear()


def _summary(message: Msg) -> Summary:
    found = message.headers or {}
    metadata = message.metadata
    size = found.get("Nats-Msg-Size", "")
    number, size_in_bytes = metadata.sequence.stream, int(size) if size.isdecimal() else 0
    return summary_of(number, message.subject, metadata.timestamp, found, size_in_bytes)


_STREAM, _SEQUENCE, _SUBJECT, _STORED_AT = "Dlq-Stream", "Dlq-Sequence", "Dlq-Subject", "Dlq-Stored-At"
_CLOCK = 1.0  # seconds by which two records of one message's time may differ, because one is rounded


async def payload_of(connection: Connection, letter: Letter) -> bytes:
    """Return the payload of a letter, from the original message if necessary.

    Raises:
        LetterError: the original is gone, or the letter does not say where it is.
    """
    return await original(connection, letter.headers) if letter.is_with_original else letter.payload


async def original(connection: Connection, found: Headers) -> bytes:
    """Return the payload of the original message that a letter's headers name.

    Raises:
        LetterError: the message is gone, or the headers do not name it.
    """
    stream, number = headers.first(found, _STREAM), headers.first(found, _SEQUENCE)
    if not stream or not number.isdecimal() or any(character in stream for character in ".*> \t"):
        raise LetterError("its payload is with the original message, but its headers do not say where that is")
    where = f"message {number} of stream {stream}"
    try:
        stored_message = await message(connection, stream, int(number))
    except GoneError as error:
        raise LetterError(f"its payload is gone: it was too large for the letter, and {where} is gone") from error
    subject, stored = headers.first(found, _SUBJECT), headers.first(found, _STORED_AT)
    if (subject and subject != stored_message.subject) or not _is_same_time(stored, stored_message):
        raise LetterError(f"its payload is gone: it was too large for the letter, and {where} is now a different one")
    return stored_message.payload


def _is_same_time(stored: str, message: Letter) -> bool:
    """Return whether a message was stored at the time in a letter's header (epoch seconds, if valid)."""
    try:
        return not stored or abs(float(stored) - message.stored.timestamp()) <= _CLOCK
    except ValueError:
        return True


@dataclass(frozen=True)
class LetterWithPayload:
    """A letter and its payload.

    Attributes:
        payload: None if it no longer exists; `problem` then says why.
    """

    letter: Letter
    payload: bytes | None
    problem: str = ""


async def letter_with_payload(connection: Connection, number: int) -> LetterWithPayload:
    """Return the letter with that ID.

    Raises:
        LetterError: the letter does not exist.
    """
    found = await letter(connection, number)
    try:
        return LetterWithPayload(found, await payload_of(connection, found))
    except LetterError as error:
        return LetterWithPayload(found, None, str(error))
