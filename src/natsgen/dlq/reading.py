"""The dead letters of the stream: all in short, quickly; one in full, with its payload wherever that is kept."""

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

BATCH = 1_000  # letters asked for at once
ENOUGH = 2  # requests in a row that brought nothing: the letters that were counted are gone
ABANDONED_AFTER = 30  # seconds after which the server removes the consumer of a command that was killed
_NO_MORE = ("404", "408")
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class StreamState:
    """The stream, as it was when a command began: what comes later is not the command's.

    Attributes:
        last: sequence of the newest.
        replicas: on how many servers it is kept.
    """

    last: int
    replicas: int


async def stream_state(connection: Connection) -> StreamState | None:
    """Return the stream's state; None if there is no such stream."""
    try:
        info = await connection.api(f"STREAM.INFO.{STREAM}")
    except ApiError as error:
        if error.is_not_found:
            return None
        raise
    state = info["state"]
    return StreamState(int(state["last_seq"]), int(info["config"].get("num_replicas", 1)))


async def summaries(
    connection: Connection, subject: str, last: int, counted: Callable[[int], None] = lambda _: None
) -> AsyncIterator[list[Summary]]:
    """Yield the letters on `subject` up to the sequence `last`, oldest first, in batches.

    Only headers are sent, by a consumer that is gone afterwards. `counted` is told how many there are, before the
    first batch.
    """
    name, pending = await _consumer(connection, subject)
    counted(pending)
    if not pending:
        return
    arrived: list[Msg] = []
    news = asyncio.Event()

    async def take(message: Msg) -> None:
        arrived.append(message)
        news.set()

    inbox = connection.client.new_inbox()
    subscription = await connection.client.subscribe(inbox, cb=take)
    try:
        empty_handed = 0
        while pending and empty_handed < ENOUGH:
            # One request at a time: a second one is refused at once, before what the first asked for has been sent.
            await connection.client.publish(
                f"{API}.CONSUMER.MSG.NEXT.{STREAM}.{name}", b'{"batch": %d, "no_wait": true}' % BATCH, reply=inbox
            )
            received, is_over = 0, False
            while received < BATCH and not is_over:
                await _news(news, connection)
                batch, arrived[:] = arrived[:], []
                # A status comes on the inbox, a letter on its own subject; headers alone cannot tell them apart.
                letters = [message for message in batch if message.subject != inbox]
                is_over = _says_end([message for message in batch if message.subject == inbox])
                if letters:
                    received += len(letters)
                    pending = letters[-1].metadata.num_pending
                    found = [_summary(message) for message in letters]
                    yield [letter for letter in found if letter.id <= last]
                    if found[-1].id >= last:
                        return
            empty_handed = 0 if received else empty_handed + 1
    finally:
        await subscription.unsubscribe()
        await connection.client.publish(f"{API}.CONSUMER.DELETE.{STREAM}.{name}")


async def letter(connection: Connection, number: int) -> Letter:
    """Return one letter in full.

    Raises:
        GoneError: there is none of that number.
        LetterError: the message of that number is something else.
    """
    try:
        found = await message(connection, STREAM, number)
    except GoneError as error:
        raise GoneError(f"no dead letter {number} in stream {STREAM}") from error
    if not found.subject.startswith(PREFIX):
        raise LetterError(f"message {number} of stream {STREAM} is not a dead letter (subject {found.subject})")
    return found


async def message(connection: Connection, stream: str, number: int) -> Letter:
    """Return one message of a stream in full, a letter or not.

    Raises:
        GoneError: there is none of that number, or no such stream.
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
    """Make a consumer; return its name, and how many messages it has."""
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
    made = await connection.api(
        f"CONSUMER.CREATE.{STREAM}.{name}.{subject}", {"stream_name": STREAM, "config": configuration}
    )
    return name, int(made["num_pending"])


def _says_end(statuses: list[Msg]) -> bool:
    """Return whether the server has said that a request is over; raises `NatsError` if it said anything else."""
    for message in statuses:
        found = message.headers or {}
        if found.get("Status") not in _NO_MORE:
            raise NatsError(f"reading was broken off: {found.get('Description', 'no reason given')}; try again")
    return bool(statuses)


async def _news(news: asyncio.Event, connection: Connection) -> None:
    try:
        await asyncio.wait_for(news.wait(), REQUEST_LIMIT)
    except TimeoutError as error:
        raise NatsError(f"NATS at {connection.server} sent no letters for {REQUEST_LIMIT:g} s") from error
    news.clear()


def _summary(message: Msg) -> Summary:
    found = message.headers or {}
    metadata = message.metadata
    size = found.get("Nats-Msg-Size", "")
    return summary_of(
        metadata.sequence.stream,
        message.subject,
        metadata.timestamp,
        found,
        int(size) if size.isdecimal() else 0,
    )


_STREAM, _SEQUENCE, _SUBJECT, _STORED_AT = "Dlq-Stream", "Dlq-Sequence", "Dlq-Subject", "Dlq-Stored-At"
_CLOCK = 1.0  # seconds that two notes of one message's time may differ, as one is rounded


async def payload_of(connection: Connection, letter: Letter) -> bytes:
    """Return the payload of a letter, wherever it is.

    Raises:
        LetterError: it is with the original, which is gone, or the letter does not say where that is.
    """
    return await original(connection, letter.headers) if letter.is_with_original else letter.payload


async def original(connection: Connection, found: Headers) -> bytes:
    """Return the payload of the message that a letter's headers name.

    Raises:
        LetterError: it is gone, or the headers do not say where it is.
    """
    stream, number = headers.first(found, _STREAM), headers.first(found, _SEQUENCE)
    if not stream or not number.isdecimal() or any(character in stream for character in ".*> \t"):
        raise LetterError("its payload is with the original message, and the letter does not say where that is")
    where = f"message {number} of stream {stream}"
    try:
        found_there = await message(connection, stream, int(number))
    except GoneError as error:
        raise LetterError(f"its payload is gone: it was too large for the letter, and {where} is no more") from error
    subject, stored = headers.first(found, _SUBJECT), headers.first(found, _STORED_AT)
    if (subject and subject != found_there.subject) or not _is_same_time(stored, found_there):
        raise LetterError(f"its payload is gone: it was too large for the letter, and {where} is another one now")
    return found_there.payload


def _is_same_time(stored: str, message: Letter) -> bool:
    """Return whether a message was stored when a letter says so, in epoch seconds; a header can be anyone's."""
    try:
        return not stored or abs(float(stored) - message.stored.timestamp()) <= _CLOCK
    except ValueError:
        return True


@dataclass(frozen=True)
class Exhibit:
    """A letter and what was in the message.

    Attributes:
        payload: None if it is not there any more; `problem` then says why.
    """

    letter: Letter
    payload: bytes | None
    problem: str = ""


async def exhibit(connection: Connection, number: int) -> Exhibit:
    """Return the letter of that ID.

    Raises:
        LetterError: there is none.
    """
    found = await letter(connection, number)
    try:
        return Exhibit(found, await payload_of(connection, found))
    except LetterError as error:
        return Exhibit(found, None, str(error))
